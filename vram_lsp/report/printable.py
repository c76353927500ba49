"""Text of a file as a terminal may be given it."""


def printable(text: str) -> str:
    """``text`` with what would steer a terminal shown as an escape instead."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)
