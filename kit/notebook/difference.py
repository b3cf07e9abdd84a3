"""`trace - trace`: the difference of two traces as a notebook shows it, with its picture."""

import base64
from io import BytesIO
from typing import TYPE_CHECKING, Any

from kit.compare.difference import TraceDifference, difference

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class DrawnDifference(TraceDifference):
    """What two traces differ in; see `kit.compare.TraceDifference`. In a notebook it draws itself."""

    def plot(self, **options: Any) -> "Figure":
        """Return the difference as a matplotlib Figure; options as for `kit.plot.trace_difference`."""
        from kit import plot

        return plot.trace_difference(self.table(), **options)

    def _repr_html_(self) -> str:
        picture = BytesIO()
        self.plot().savefig(picture, format="png", dpi=100)
        image = base64.b64encode(picture.getvalue()).decode()
        return (
            f'{super()._repr_html_()}<img alt="the difference of the two traces" src="data:image/png;base64,{image}">'
        )


def drawn_difference(a: Any, b: Any) -> DrawnDifference:
    """Return what is added, removed, slower or faster in trace `a` than in `b`."""
    found = difference(b, a)
    return DrawnDifference(found.names, found.events)
