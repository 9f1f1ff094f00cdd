"""The extension module of handlers. src/handlers.cpp has them."""

from typing import Any

handlers: dict[str, Any]
