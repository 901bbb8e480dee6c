"""The import rules, as a table; exits 1 and names each import that breaks one.

    python tools/check_layers.py [FOLDER]

`tests/unit/test_layers.py` runs it. A module may import modules of its own
room and of rooms below it; siblings meet only at `<sibling>.rpcapi` (and
the records that door speaks in).
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Top to bottom. Rooms on one line are siblings.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("cmd",),
    (
        "api",
        "conductor",
        "scheduler",
        "compute",
        "companions.identity",
        "companions.image",
        "companions.network",
        "companions.volume",
        "console",
        "xray",
    ),
    ("virt",),
    ("db", "clients"),
    ("model", "conf", "policies"),
    ("common",),
)
# What siblings may import of each other: the door, and the records it speaks in.
DOORS = ("rpcapi", "record", "wire")
# Room -> rooms it must not import though they are below it.
FORBIDDEN = {
    "compute": ("db",),
    "virt": ("db",),
    "clients": ("db", "companions"),
    "companions.network.agent": ("db",),
    "console": ("db", "clients"),
}
# Companions use the engine of `db`, not the core's tables.
COMPANIONS_MAY = ("db.engine", "db.alembic_env", "db.types")
# A module of the standard or foreign world -> the only files that may import it.
ONLY_IN = {"libvirt": ("virt/libvirt/connection.py", "virt/libvirt/guest.py")}
# Only nova-compute drives a hypervisor.
VIRT_USERS = ("compute", "virt")


def main(folder: Path) -> int:
    broken = [line for path in sorted(folder.rglob("*.py")) for line in check(folder, path)]
    for line in broken:
        print(line)
    print(f"{len(broken)} imports break the rules" if broken else "the layers hold")
    return 1 if broken else 0


def check(folder: Path, path: Path) -> Iterator[str]:
    """One line for each import of `path` that breaks a rule."""
    inside = path.relative_to(folder)
    name = ".".join(inside.with_suffix("").parts).removesuffix(".__init__")
    for target, line in imports(path):
        reason = refusal(name, str(inside), target)
        if reason:
            yield f"minova/{inside}:{line}: imports {target}: {reason}"


def refusal(name: str, file: str, target: str) -> str | None:
    """Why module `name` may not import `target`, or None."""
    foreign = target.split(".")[0]
    if foreign in ONLY_IN and file not in ONLY_IN[foreign]:
        return f"only {' and '.join(ONLY_IN[foreign])} may"
    if not target.startswith("minova."):
        return None
    inner = target.removeprefix("minova.")
    mine, theirs = room_of(name), room_of(inner)
    if mine is None or theirs is None or mine == theirs:
        return None
    for room, rooms in FORBIDDEN.items():
        if within(name, room) and any(within(inner, other) for other in rooms):
            return f"{room} never imports {', '.join(rooms)}"
    if mine.startswith("companions.") and theirs == "db":
        allowed = any(within(inner, module) for module in COMPANIONS_MAY)
        return None if allowed else "companions have tables of their own"
    if theirs == "virt" and mine not in VIRT_USERS:
        return "only compute drives a hypervisor"
    up, down = depth_of(mine), depth_of(theirs)
    if up < down:
        return None
    if up > down:
        return f"{theirs} lies above {mine}"
    if up == depth_of("model"):
        return None
    if any(part in DOORS for part in inner.split(".")):
        return None
    return f"siblings meet only at {theirs}.rpcapi"


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Dotted names a file imports, with their lines; `from a import b` gives a.b."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def room_of(name: str) -> str | None:
    """The room a module (without `minova.`) is in."""
    rooms = (room for layer in LAYERS for room in layer)
    return next((room for room in rooms if within(name, room)), None)


def depth_of(room: str) -> int:
    return next(depth for depth, layer in enumerate(LAYERS) if room in layer)


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "minova"))
