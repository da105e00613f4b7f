"""The pipelines as a picture: one line of text, mermaid, or dot."""

from itertools import pairwise

from shipper.config import Loaded, Part


def _name(part: Part) -> str:
    """The component's id and what of it matters for the flow, such as `github(audit_log, code_scanning)`."""
    outline = getattr(part.config, "outline", None)
    details = outline() if outline else ""
    return f"{part.id}({details})" if details else part.id


def picture(loaded: Loaded, pipeline: str) -> str:
    """One pipeline as one line: `>` is memory, `=>` the durable hand-over to the journal."""
    config = loaded.pipelines[pipeline]
    receivers = " | ".join(_name(loaded.receivers[name]) for name in config.receivers)
    steps = [receivers, *(_name(loaded.processors[name]) for name in config.processors)]
    exporters = " | ".join(_name(loaded.exporters[name]) for name in config.exporters)
    line = f"{' > '.join(steps)} => journal({loaded.storage.type}) => {exporters}"
    dead_letter = " | ".join(_name(loaded.exporters[name]) for name in config.dead_letter)
    return f"{line} [dead letters => {dead_letter}]" if dead_letter else line


def text(loaded: Loaded) -> str:
    """Every pipeline, a line each."""
    return "".join(f"{name}: {picture(loaded, name)}\n" for name in loaded.pipelines)


def _edges(loaded: Loaded) -> list[tuple[str, str, bool]]:
    """From, to, and whether the hand-over is durable; names are unique a pipeline."""
    edges: list[tuple[str, str, bool]] = []
    for name, config in loaded.pipelines.items():
        journal = f"journal of {name}"
        steps = [f"{each} of {name}" for each in config.processors]
        first = steps[0] if steps else journal
        edges += [(_name(loaded.receivers[each]), first, not steps) for each in config.receivers]
        edges += [(here, there, False) for here, there in pairwise(steps)]
        if steps:
            edges.append((steps[-1], journal, True))
        edges += [(journal, _name(loaded.exporters[each]), True) for each in config.exporters]
        edges += [
            (journal, f"{_name(loaded.exporters[each])} (dead letters)", True) for each in config.dead_letter
        ]
    return edges


def mermaid(loaded: Loaded) -> str:
    """For Markdown: a mermaid flowchart."""
    edges = _edges(loaded)
    ids = {label: f"n{i}" for i, label in enumerate(dict.fromkeys(each for edge in edges for each in edge[:2]))}
    lines = [f'  {key}["{_quoted(label)}"]' for label, key in ids.items()]
    lines += [f"  {ids[a]} {'==>' if durable else '-->'} {ids[b]}" for a, b, durable in edges]
    return "\n".join(["flowchart LR", *lines, ""])


def dot(loaded: Loaded) -> str:
    """For Graphviz."""
    lines = [
        f'  "{_quoted(a)}" -> "{_quoted(b)}"{" [style=bold]" if durable else ""};'
        for a, b, durable in _edges(loaded)
    ]
    return "\n".join(["digraph pipelines {", "  rankdir=LR;", *lines, "}", ""])


def _quoted(label: str) -> str:
    return label.replace('"', "'").replace("\n", " ")
