"""The pages that Airflow's api-server shows to those who may read the training DAG's tasks.

One guard stands before all of them: Airflow's own login and permissions. What a page shows comes
from files that runs have written; nothing here changes any.
"""

from datetime import UTC, datetime
from html import escape
from typing import Any, Final
from urllib.parse import urlencode

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from pipeline.dag_defaults import ROLLBACK, TRAINING
from pipeline.settings import read_models, read_replays_dir
from pipeline.thresholds import SettingError
from pipeline.ui.addresses import PREFIX, address, dag_address
from pipeline.ui.data_docs import docs_page
from pipeline.ui.label_next import label_next, label_next_csv
from pipeline.ui.response import html, notice
from pipeline.ui.run_files import docs_of_run, report_of_run
from pipeline.ui.runs import unfinished_runs

_ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" '
    'stroke-linecap="round" stroke-linejoin="round">{}</svg>'
)
_STROKE: Final = '<path d="{}" stroke="{}" stroke-width="{}"/>'
_IN_LIGHT: Final = (("#dce7f5", 6), ("#3e5873", 2))
"""Airflow's light navigation and what stands on it: the page one is on has a dark ground there."""
_IN_DARK: Final = (("#a3afbe", 2),)
_ICONS: Final = {
    "data-docs": "M6 3h9l4 4v14H6zM9 13l2 2 4-4",
    "models": "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
    "label-next": "M4 12V4h8l8 8-8 8zM8 8h.01",
    "production": "M3 12h4l3-7 4 14 3-7h4",
    "replays": "M4 5v5h5M4.5 10a8 8 0 1 1-.5 4M12 8v4l3 2",
}
"""A sheet with a tick; a box; a tag; a pulse; a clock that is turned back."""
_NOT_LOGGED_IN: Final = "Invalid JWT token"
"""What Airflow says, with 403, of a login that another secret has signed."""


def pages() -> FastAPI:
    """Makes the application."""
    may_read = requires_access_dag("GET", DagAccessEntity.TASK_INSTANCE, TRAINING)
    # Airflow guards nothing of a plugin's application, and FastAPI's own pages are public.
    app = FastAPI(dependencies=[Depends(may_read)], docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(SettingError, _unreadable)
    app.add_exception_handler(OSError, _unreadable)
    app.add_exception_handler(Exception, _broken)
    app.get("/data-docs/run")(data_docs_of_run)
    app.get("/data-docs/{path:path}")(data_docs)
    app.get("/report")(report)
    app.get("/models")(models)
    app.get("/label-next")(label_next)
    app.get("/label-next.csv")(label_next_csv)
    app.get("/production")(watched)
    app.get("/replays")(replays)
    app.get("/production/{what}")(production)
    app.get("/icon/{name}.svg")(icon)
    return app


def data_docs_of_run(run_id: str = "", dag_id: str = TRAINING) -> Response:
    """Leads to what the data gate said about a run."""
    if dag_id != TRAINING:
        return _of_another_dag(dag_id)
    path = docs_of_run(run_id)
    if path is None:
        return notice(
            "No Data Docs of this run",
            "check_data has not written a page for this run: it has not ended yet, it could not "
            "reach ClickHouse, or the run is older than the last 200.",
            "The task's log says more.",
            links=_beside(),
        )
    return RedirectResponse(address(f"data-docs/{path}"))


def data_docs(path: str) -> Response:
    """Serves a page of the Data Docs site."""
    return docs_page(path or "index.html")


def report(run_id: str = "", dag_id: str = TRAINING) -> Response:
    """Serves the report of a run's candidate."""
    if dag_id != TRAINING:
        return _of_another_dag(dag_id)
    page = report_of_run(run_id)
    if page is None:
        return notice(
            "No report of this run",
            "train_model has not written a candidate for this run: it has not ended yet, the data "
            "were rejected, or ten newer runs have taken its place.",
            links=_beside(run_id),
        )
    links = "".join(
        f'<a href="{escape(where)}">{name}</a> ' for name, where in _beside(run_id).items()
    )
    # A file that is opened from its folder has no such pages beside it.
    return html(page.replace(b"</header>", f"<p>{links}</p></header>".encode(), 1))


def models(request: Request, user: GetUserDep) -> Response:
    """Shows production, its backups and what every run came to."""
    from ml.report.models_page import models_page

    rollback = dag_address(ROLLBACK) if _may_go_back(request, user) else None
    store, now = read_models(), datetime.now(UTC)
    return html(models_page(store, now, rollback, unfinished_runs(TRAINING)))


def watched() -> Response:
    """Shows the model that trades, and what it was fed, day by day."""
    from ml.report.production_page import production_page

    return html(production_page(read_models(), datetime.now(UTC)))


def replays() -> Response:
    """Lists the replays of past Sundays."""
    from ml.replay.page import replays_page

    return html(replays_page(read_replays_dir()))


def production(what: str) -> Response:
    """Serves the model in production, or its metrics, to be kept."""
    from ml.registry.names import PRODUCTION, PRODUCTION_METRICS

    name = {"model": PRODUCTION, "metrics": PRODUCTION_METRICS}.get(what)
    content = name and read_models().read(name)
    if not name or content is None:
        return notice("There is none", "No model is in production, or its metrics are lost.")
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type="application/octet-stream", headers=headers)


def icon(name: str, dark: bool = False) -> Response:
    """Serves the sign of a page in the navigation, in the colours of Airflow's own there."""
    if name not in _ICONS:
        return notice("There is none", "No page has this sign.", status=404)
    strokes = _IN_DARK if dark else _IN_LIGHT
    drawn = "".join(_STROKE.format(_ICONS[name], colour, width) for colour, width in strokes)
    return Response(
        _ICON.format(drawn), media_type="image/svg+xml", headers={"Cache-Control": "max-age=3600"}
    )


def _may_go_back(request: Request, user: GetUserDep) -> bool:
    try:
        requires_access_dag("POST", DagAccessEntity.RUN, ROLLBACK)(request, user)
    except HTTPException:
        return False
    return True


def _of_another_dag(dag_id: str) -> Response:
    told = f"This page belongs to runs of {TRAINING}; this one is of {dag_id}."
    return notice("Nothing to show here", told, links=_beside())


def _beside(run_id: str | None = None) -> dict[str, str]:
    """The addresses of what says more, by their names: of a run, and of all."""
    docs = f"data-docs/run?{urlencode({'run_id': run_id})}" if run_id else "data-docs/"
    return {"Data Docs": address(docs), "Models": address("models")}


def _refused(request: Request, error: Any) -> Response:
    """Sends a person without a login to it, and tells everybody else what Airflow said."""
    lacks_login = error.status_code == 401 or error.detail == _NOT_LOGGED_IN
    is_person = "text/html" in request.headers.get("accept", "")
    if not is_person:
        return JSONResponse({"detail": error.detail}, error.status_code)
    if lacks_login:
        # A proxy may or may not have taken the prefix of Airflow away.
        page = request.url.path.partition(f"{PREFIX}/")[2]
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(get_auth_manager().get_url_login(next_url=address(page) + query))
    return notice("Not for you", f"Airflow says: {error.detail}.", status=error.status_code)


def _broken(_: Request, error: Exception) -> Response:
    """Says so instead of showing nothing; the server's log has the error."""
    told = f"A {type(error).__name__} stopped it; the log of the api-server says where."
    return notice("This page cannot be shown", told, status=500)


def _unreadable(_: Request, error: Exception) -> Response:
    return notice("The files of the pipeline cannot be read", str(error), status=503)
