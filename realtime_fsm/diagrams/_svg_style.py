"""How the pictures look: colours for light and dark, and dashes, widths and shapes that say the
same without colour."""

from __future__ import annotations

_LIGHT = {
    "page": "#ffffff",
    "card": "#f8fafc",
    "rule": "#e2e8f0",
    "ink": "#0f172a",
    "muted": "#56657a",
    "normal": "#1d5fa8",
    "normal-fill": "#eaf3fd",
    "recovery": "#a25705",
    "recovery-fill": "#fff4dc",
    "cancel": "#6d3fc4",
    "cancel-fill": "#f4effe",
    "failure": "#c42525",
    "failure-fill": "#fdecec",
    "added": "#15803d",
    "removed": "#c42525",
    "changed": "#a25705",
}
_DARK = {
    "page": "#0d1420",
    "card": "#141d2c",
    "rule": "#27344a",
    "ink": "#eef3fa",
    "muted": "#9aabc2",
    "normal": "#74b5f7",
    "normal-fill": "#12263d",
    "recovery": "#f5b942",
    "recovery-fill": "#33270c",
    "cancel": "#bfa0fb",
    "cancel-fill": "#271d40",
    "failure": "#fb7b7b",
    "failure-fill": "#3a1518",
    "added": "#4ade80",
    "removed": "#fb7b7b",
    "changed": "#f5b942",
}

_RULES = """\
text{font-family:"Segoe UI",Roboto,"Helvetica Neue",Arial,"Liberation Sans",sans-serif;fill:var(--ink)}
.page{fill:var(--page)}
.title{font-size:24px;font-weight:700}
.caption{font-size:13px;fill:var(--muted)}
.name{font-size:17px;font-weight:650;text-anchor:middle}
.line{font-size:13px;fill:var(--muted);text-anchor:middle}
.label{font-size:13px;stroke:var(--page);stroke-width:4px;stroke-linejoin:round;paint-order:stroke}
.guard{fill:var(--muted);font-style:italic}
.start{text-anchor:start}.middle{text-anchor:middle}.end{text-anchor:end}
.box{stroke-width:2;stroke:var(--k);fill:var(--f)}
.inner{stroke-width:1.3;stroke:var(--k);fill:none}
.sheet{stroke-width:1.3;stroke:var(--k);fill:var(--f);opacity:.75}
.outside .box{stroke:var(--muted);fill:var(--card);stroke-width:1.3}
.recovery .box{stroke-dasharray:9 5}
.cancel .box{stroke-dasharray:2 3.5;stroke-width:2.6}
.failure .box{stroke-width:4}
.wire{fill:none;stroke:var(--k);stroke-width:2}
.under{fill:none;stroke:var(--page);stroke-width:9}
.tip{fill:var(--k)}
.joint{fill:var(--k)}
.recovery .wire{stroke-dasharray:9 5}
.cancel .wire{stroke-dasharray:2 4;stroke-width:2.8}
.failure .wire{stroke-width:4}
.taken .wire{stroke-width:4.5}
.faint{opacity:.22}
.state.faint{opacity:.5}
.badge{fill:var(--page);stroke:var(--k);stroke-width:1.8}
.number{font-size:12px;font-weight:700;text-anchor:middle;fill:var(--k)}
.clock{fill:var(--page);stroke:var(--ink);stroke-width:1.2}
.hands{fill:none;stroke:var(--ink);stroke-width:1.2;stroke-linecap:round;stroke-linejoin:round}
.card{fill:var(--card);stroke:var(--rule);stroke-width:1}
.spine{fill:var(--k)}
.head{font-size:13px;font-weight:700}
.event{font-size:12px}
.then{font-size:12px;fill:var(--muted)}
.brace{fill:none;stroke:var(--muted);stroke-width:1;opacity:.6}
.normal{--k:var(--normal);--f:var(--normal-fill)}
.recovery{--k:var(--recovery);--f:var(--recovery-fill)}
.cancel{--k:var(--cancel);--f:var(--cancel-fill)}
.failure{--k:var(--failure);--f:var(--failure-fill)}
.edge.added{--k:var(--added)}.edge.removed{--k:var(--removed)}.edge.changed{--k:var(--changed)}
.edge.added .wire{stroke-width:5;stroke-dasharray:none}
.edge.removed .wire{stroke-width:2;stroke-dasharray:7 6}
.edge.changed .wire{stroke-width:3.2;stroke-dasharray:14 4 3 4}
.sign{font-size:14px;font-weight:800;text-anchor:middle}
.sign.added{fill:var(--added)}.sign.removed{fill:var(--removed)}.sign.changed{fill:var(--changed)}
.gone{text-decoration:line-through}
"""


def css(scale: float = 1) -> str:
    """The style sheet. ``scale`` makes the words at the arrows larger, for small screens."""
    rules = _RULES
    if scale != 1:
        for size in (13, 17):
            rules = rules.replace(f"font-size:{size}px", f"font-size:{size * scale:.1f}px")
    return f"{variables('svg')}\n{rules}"


def variables(selector: str) -> str:
    """The colours as CSS variables, for light and dark."""
    light, dark = (";".join(f"--{k}:{v}" for k, v in t.items()) for t in (_LIGHT, _DARK))
    return f"{selector}{{{light}}}\n@media (prefers-color-scheme:dark){{{selector}{{{dark}}}}}"
