// Airflow keeps what its reader has chosen (light, dark, system) in the browser, under "theme".
// A page that is opened as a file, or anywhere without such a choice, follows the system.
(() => {
  const follow = () => {
    let chosen = null;
    try { chosen = location.protocol === "file:" ? null : localStorage.getItem("theme"); } catch { }
    document.documentElement.style.colorScheme = ["light", "dark"].includes(chosen) ? chosen : "";
  };
  follow();
  addEventListener("storage", follow);
})();
