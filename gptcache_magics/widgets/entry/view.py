"""One entry in full, below the table: its conversation, and on request its images and code that repeats the call.

All of it travels in messages and not in the widget's state, so that it is not saved with the notebook.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from gptcache_magics.widgets.entry.as_python import as_python
from gptcache_magics.widgets.entry.conversation import chat_html, facts_html, images_of, text_of, ways_html
from gptcache_magics.widgets.entry.stored import StoredEntry
from gptcache_magics.widgets.scripts import one_module, one_style
from gptcache_magics.widgets.unsaved import UnsavedWidget

__all__ = ["EntryView"]

IMAGE_BYTES: Final = 10_000_000


class EntryView(UnsavedWidget):
    """A widget that shows one entry, or nothing."""

    _esm = one_module(Path(__file__).parent, "view")
    _css = one_style(Path(__file__).parent, "view")

    def __init__(self) -> None:
        self._stored: StoredEntry | None = None
        super().__init__()
        self.show(None)

    @property
    def key(self) -> str:
        """The entry's id; empty if none is shown."""
        return str(self._unsaved["key"])

    @property
    def facts(self) -> str:
        """The facts about the entry, as HTML in which every foreign text is escaped."""
        return str(self._unsaved["facts"])

    @property
    def ways(self) -> str:
        """The buttons that lead on from the entry, as such HTML."""
        return str(self._unsaved["ways"])

    @property
    def value(self) -> str:
        """The conversation, as such HTML."""
        return str(self._unsaved["value"])

    @property
    def redact(self) -> bool:
        """Whether prompts and answers are hidden."""
        return bool(self._unsaved["redact"])

    def show(self, stored: StoredEntry | None, *, redact: bool = False) -> None:
        """Show another entry; with `redact` only the lengths of its texts."""
        self._stored = stored
        self.send_values(  # in one message, so that facts and conversation always belong to the same entry
            redact=redact,
            key=stored.id if stored else "",
            facts=facts_html(stored, redact=redact) if stored else "",
            ways=ways_html(stored) if stored else "",
            value=chat_html(stored, redact=redact) if stored else "",
        )

    def _asked(self, _: object, content: dict[str, Any], __: object) -> None:
        """Answer one view about this entry; the answer names the view, and the others ignore it."""
        super()._asked(_, content, __)
        if self._stored is None or self.redact or content.get("key") != self.key:
            return
        reply = {"view": content.get("view"), "key": self.key}
        if content.get("want") == "python":
            self.send({**reply, "code": as_python(self._stored.entry, self._stored.asked)})
        elif content.get("want") in ("question", "answer"):
            self.send({**reply, "text": text_of(self._stored, content["want"])})
        elif content.get("want") == "image":
            mime, data = _image(self._stored, content.get("image"))
            self.send({**reply, "image": content.get("image"), "mime": mime}, buffers=data)


def _image(stored: StoredEntry, number: Any) -> tuple[str, Sequence[bytes]]:
    """Return the type and the bytes of an image; no bytes if it cannot be shown."""
    images = images_of(stored)
    if not isinstance(number, int) or not 0 <= number < len(images) or images[number].size > IMAGE_BYTES:
        return "", []
    try:
        return images[number].mime, [base64.b64decode(images[number].base64)]
    except binascii.Error:
        return "", []
