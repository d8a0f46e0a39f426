"""A command that is interrupted says in one line what becomes of its work."""

import pytest

import heterostem
from stochgeom.errors import UserError


@pytest.mark.parametrize(
    ("error", "said"),
    [(KeyboardInterrupt(), "what was finished is kept"), (UserError("no such thing"), "no such thing")],
)
def test_a_command_that_ends_early_says_why(monkeypatch, capsys, error, said):
    def stopped(**_):
        raise error

    build = heterostem.build_app

    def with_one_more():
        app = build()
        app.command(stopped, name="stopped")
        return app

    monkeypatch.setattr(heterostem, "build_app", with_one_more)
    assert heterostem.run(["stopped"]) == 1
    shown = capsys.readouterr().err.strip()
    assert said in shown
    assert "\n" not in shown
