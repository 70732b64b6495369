"""Sessions in the database, and in the cookie itself while nothing can be written.

On a full disk the owner must be able to sign in and see why nothing works any more.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User, update_last_login
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.core import signing
from django.db import DatabaseError
from django.utils import timezone
from django.utils.crypto import get_random_string

log = logging.getLogger(__name__)
PREFIX = "signed:"
SALT = "bridge.full-disk-session"
SIGNED_FOR = timedelta(hours=1)


class SessionStore(DatabaseStore):
    """Django's own; a session that cannot be stored becomes a signed cookie.

    Such a one holds for an hour, and only as long as nothing can be written: it has no
    row, so that nobody could end it. Once there is room again its owner signs in anew.
    """

    def load(self) -> dict[str, Any]:
        if not self._is_signed:
            return super().load()
        data: dict[str, Any] = {}
        try:
            text = str(self.session_key).removeprefix(PREFIX)
            data = signing.loads(text, salt=SALT, max_age=SIGNED_FOR)
        except signing.BadSignature:
            pass
        if not data or self._can_store():
            self._session_key = None
            return {}
        return data

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001,FBT002
        if self._is_signed:
            self._sign()
            return
        try:
            super().save(must_create=must_create)
        except UpdateError:
            if not self.exists(str(self.session_key)):
                raise
            log.warning("a session could not be changed: it stays as it was")
        except DatabaseError as error:
            if not must_create:
                raise
            log.warning("a session could not be stored: %s", error)
            self._sign()

    def delete(self, session_key: str | None = None) -> None:
        if (session_key or self.session_key or "").startswith(PREFIX):
            return
        try:
            super().delete(session_key)
        except DatabaseError as error:
            log.warning("a session could not be deleted: %s", error)

    @property
    def _is_signed(self) -> bool:
        return (self.session_key or "").startswith(PREFIX)

    def _sign(self) -> None:
        data = self._get_session(no_load=True)  # type: ignore[attr-defined]
        text = signing.dumps(data, salt=SALT, compress=True)
        self._session_key = f"{PREFIX}{text}"
        self.modified = True

    def _can_store(self) -> bool:
        """Try it: nothing but a write tells whether one would come about."""
        key = get_random_string(32)
        try:
            self.model.objects.create(
                session_key=key, session_data="", expire_date=timezone.now()
            )
            self.model.objects.filter(session_key=key).delete()
        except DatabaseError:
            return False
        return True


def note_last_login(sender: type, user: User, **signal: Any) -> None:
    """Note when somebody signed in; nobody is kept out because that cannot be noted."""
    try:
        update_last_login(sender, user, **signal)
    except DatabaseError as error:
        log.warning("a sign-in could not be noted: %s", error)
