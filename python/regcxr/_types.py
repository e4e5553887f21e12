"""Types of the values that cross between Python and Rust."""

from __future__ import annotations

from typing import Optional, Union

# Name, type (`text`, `integer`, `number`, `truth`), a list of texts or the bytes of an array, and a byte for each value that says
# whether it is missing; none if no value is.
Column = tuple[str, str, Union[list[Optional[str]], bytearray], Optional[bytearray]]
# Name, what it says of itself, columns.
Columns = tuple[str, dict[str, str], list[Column]]
# Height, width, `[height, width]` gray values of 8 bits.
Pixels = tuple[int, int, bytearray]
