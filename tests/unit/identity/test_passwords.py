"""Password hashes."""

from minova.companions.identity.passwords import Passwords

passwords = Passwords(4)


def test_only_the_right_password_matches() -> None:
    stored = passwords.hash("pässword")
    assert "pässword" not in stored
    assert passwords.matches("pässword", stored)
    assert not passwords.matches("password", stored)
    assert not passwords.matches("", stored)
    assert passwords.hash("pässword") != stored


def test_every_character_of_a_long_password_counts() -> None:
    stored = passwords.hash("x" * 1000 + "a")
    assert passwords.matches("x" * 1000 + "a", stored)
    assert not passwords.matches("x" * 1000 + "b", stored)


def test_a_user_without_a_password_matches_nothing() -> None:
    assert not passwords.matches("", None)


def test_hashes_of_another_cost_still_match() -> None:
    assert passwords.matches("x", Passwords(5).hash("x"))
