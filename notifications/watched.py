"""What the watch of every day tells: one message on a day on which something turns."""

from notifications.layout import bullets, one_line
from notifications.message import Kind, Links, Message
from notifications.messages import Facts, known_links

TITLE = "🔎 Regime Detection Model {state}"


def watched(turn: Facts, links: Links | None = None) -> Message:
    """Tells what has begun to worry about the model that trades or its data, and what is well.

    Args:
        turn: the `day`; as `worrying` what began to, each with `words` and a `remedy`; as `well`
            the words of what is well again; as `besides` how many things worry that were told.
        links: Addresses by name.

    >>> seen = {"words": "SOLUSDT: no rows on this day", "remedy": "See what writes them"}
    >>> print(watched({"day": "2026-11-27", "worrying": [seen], "well": [], "besides": 0}).text)
    🔎 Regime Detection Model Worrying
    <BLANKLINE>
    🕐 Day: 2026-11-27
    <BLANKLINE>
    ⚠️ SOLUSDT: no rows on this day
    See what writes them.
    <BLANKLINE>
    Production model unchanged.
    """
    worrying, well = turn["worrying"], turn["well"]
    lead = [f"🕐 Day: {one_line(turn['day'])}", ""]
    remedies = dict.fromkeys(one_line(seen["remedy"]) for seen in worrying)
    lead += bullets((seen["words"] for seen in worrying), mark="⚠️")
    lead += [f"{remedy.rstrip('.')}." for remedy in remedies]
    lead += bullets((f"well again: {words}" for words in well), mark="✅")
    besides = turn["besides"]
    others = (f"Worrying besides, and told before: {besides}.",) if besides else ()
    title = TITLE.format(state="Worrying" if worrying else "Well Again")
    lead += ["", "Production model unchanged."]
    kind: Kind = "worrying" if worrying else "well"
    return Message(kind, title, tuple(lead), others, known_links(links))
