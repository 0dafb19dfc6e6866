"""How a program ends with an error."""

import pytest

from stages.errors import UserError, run


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("a\nb\r.png: no picture", r"a\nb\r.png: no picture"),
        ("\x1b[31m\x85\u2028", r"\x1b[31m\x85\u2028"),
        ("caf\udce9", r"caf\udce9"),
        ("ü 山: plain", "ü 山: plain"),
    ],
)
def test_an_error_is_one_line_whatever_a_name_holds(message, shown):
    def stop():
        raise UserError(message)

    with pytest.raises(SystemExit) as end:
        run(stop)
    assert end.value.code == f"error: {shown}"
