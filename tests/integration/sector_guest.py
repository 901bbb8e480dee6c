"""A guest in one boot sector: up in 0.2 s under TCG, and it minds its ACPI manners.

It says a line on the first serial port and then, on machine type pc,
- switches off when its power button is pressed (`poweroff=True`: at once, unasked;
  `button=False`: never),
- lets go of a PCI device when asked to (`ejects=False`: never),
and sleeps between timer ticks. Real mode only, so it runs under any KVM.
"""

SIZE = 1024 * 1024
_ORIGIN = 0x7C00

_ENTER = """
    fa 31c0 8ed8 8ed0 bc007c fc         cli; ds = ss = 0; sp = 7c00; cld
"""
_SAY = """
    ac 84c0 7412                        next: lodsb; al == 0 -> leave
    88c4 bafd03 ec a820 74fb            ah = al; wait until COM1 can send
    baf803 88e0 ee ebe9                 send it; next
"""
_ENABLE_BUTTON = """
    ba0206 b80001 ef                    PM1_EN: power button
"""
_TICK = """
    fb f4                               loop: sti; hlt until the timer ticks
"""
_EJECT = """
    ba04ae 66ed 6685c0 7405             PCI slots that shall go; none -> skip
    ba08ae 66ef                         eject them
"""
_BUTTON = """
    ba0006 ed f6c401                    PM1_STS: the button was pressed?
"""
_POWER_OFF = """
    ef ba0406 b80020 ef                 clear it; PM1_CNT: sleep type S5
"""
_FOREVER = """
    f4 ebfd
"""


def image(line: str, *, poweroff: bool = False, button: bool = True, ejects: bool = True) -> bytes:
    """A raw disk of 1 MiB whose guest says `line`."""
    after = _code(_ENABLE_BUTTON) if button else b""
    loop = _code(_TICK) + (_code(_EJECT) if ejects else b"")
    if button:
        loop += _code(_BUTTON)
        after += loop + _jump(0x74, loop)
    elif not poweroff:
        after += loop + _jump(0xEB, loop)
    if poweroff:
        after = b""
    after += _code(_POWER_OFF) + _code(_FOREVER)
    enter, say = _code(_ENTER), _code(_SAY)
    text = _ORIGIN + len(enter) + 3 + len(say) + len(after)
    point = b"\xbe" + text.to_bytes(2, "little")  # si = text
    sector = enter + point + say + after + line.encode() + b"\r\n\0"
    if len(sector) > 510:
        raise ValueError("the line is too long for a boot sector")
    return sector.ljust(510, b"\0") + b"\x55\xaa" + bytes(SIZE - 512)


def _code(listing: str) -> bytes:
    """The bytes left of the comments."""
    columns = (row[:40] for row in listing.splitlines())
    return bytes.fromhex("".join(columns))


def _jump(opcode: int, back_over: bytes) -> bytes:
    """A short jump to the start of `back_over`, which it directly follows."""
    return bytes([opcode, 256 - len(back_over) - 2])
