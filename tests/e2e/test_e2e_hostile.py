"""One event that is made to forge lines and steer terminals, through every command that shows events as text."""

import asyncio
import json

from e2e_listening import PATIENCE, ended, listening

from shipper.simulator import Options, Simulator

#: Whatever some reader takes for the end of a line, each with a line behind it that nobody wrote.
HOSTILE = "x" + "".join(
    f"{end}FORGED" for end in ("\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029")
)
HOSTILE += "\t\0\x07\x1b[31m\x9b2J\x7f\u202e"


def harmless(shown: str) -> bool:
    """No line begins with what a stranger wrote, and nothing steers."""
    lines = shown.splitlines()
    return not any(line.strip().startswith("FORGED") for line in lines) and all(
        char.isprintable() or char == "\n" for char in shown
    )


def hostile(name: str) -> dict[str, str]:
    fields = ("actor", "repo", "org", "user", "operation_type")
    return {"_document_id": f"{name} {HOSTILE}", HOSTILE: HOSTILE, **dict.fromkeys(fields, HOSTILE)}


def configure(program, github) -> str:
    """Records that have `refused` become dead letters; a test that fails shows the event, too."""
    schema = program.folder / "strict.json"
    schema.write_text(json.dumps({"type": "object", "properties": {"refused": {"type": "string", "const": "x"}}}))
    events = [{"action": HOSTILE, **hostile("t")}]
    program.folder.joinpath("event.json").write_text(json.dumps(events))
    test = {"name": "t", "input": {"stream": "audit_log", "events": events}, "expect": {"event_name": "no"}}
    rules = [{"name": "a", "match": {"actor|startswith": "x"}, "severity": "low"}]
    return str(
        program.configure(
            github,
            {"debug": {}, "debug/all": {"verbosity": "detailed"}},
            processors={
                "normalize": {},
                "rules": {"rules": rules},
                "schema": {"schemas": {"audit_log": str(schema)}, "on_invalid": "dead_letter"},
            },
            receiver={"poll_interval": "1s", "streams": {"audit_log": {}, "code_scanning": False}},
            tests=[test],
        )
    )


async def tapped(process, github) -> bytes:
    """The first line of a tap, which shows nothing before it has begun."""
    reading = asyncio.create_task(process.stdout.readline())
    for number in range(int(PATIENCE)):
        github.happen(HOSTILE, **hostile(f"tapped {number}"))
        done, _ = await asyncio.wait([reading], timeout=1)
        if done:
            return reading.result()
    raise AssertionError("the tap shows nothing")


async def test_no_event_forges_a_line_or_steers_the_terminal(program):
    async with Simulator(Options.quiet()) as github:
        config = configure(program, github)
        github.happen(HOSTILE, **hostile("refused"), refused=HOSTILE)
        running = await program.start("run", "-c", config)
        admin, log = await listening(running, "admin")
        tap = await program.start("tap", "--url", admin, "--body")
        shown = {"tap": (await tapped(tap, github)).decode()}
        for command in (
            ("state", "dead-letter", "list", "-c", config),
            ("state", "dead-letter", "show", "1", "-c", config),
            ("state", "show", "-c", config),
            ("top", "--url", admin, "--once"),
            ("health", "--url", f"{admin}/readyz?verbose"),
        ):
            shown[" ".join(command[:-1])] = "".join((await program.run(*command))[1:])
        tap.terminate()
        running.terminate()
        shown["tap"] += (await ended(tap))[0]
        shown["run"], rest = await ended(running)
        shown["log"] = "".join([*log, rest])
        github.happen(HOSTILE, **hostile("missing"))
        for command in (
            ("explain", str(program.folder / "event.json")),
            ("test",),
            ("check",),
            ("graph",),
            ("reconcile", "--since", "1h"),
            ("backfill", "--since", "1h"),
            ("run", "--once"),
        ):
            shown[" ".join(command)] = "".join((await program.run(*command, "-c", config))[1:])
    assert [name for name, text in shown.items() if not harmless(text)] == []
    silent = {name.split(" /")[0] for name, text in shown.items() if "FORGED" not in text}
    assert silent == {
        "state show -c",
        "top --url " + admin,
        "health --url",
        "log",
        "check",
        "graph",
        "run --once",
    }, "everything else shows the event"
