"""How the dashboard looks: one accent colour on a calm neutral ground, system fonts, tight controls."""

from __future__ import annotations

from typing import Any

FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'Liberation Sans', 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, 'SF Mono', 'Liberation Mono', 'DejaVu Sans Mono', monospace"

LIGHT = {
    "accent": "#0072b5",
    "ground": "#f6f6f4",
    "paper": "#ffffff",
    "ink": "#1d2126",
    "quiet": "#5c646e",
    "line": "#e1e2df",
}
DARK = {
    "accent": "#5cb3f2",
    "ground": "#131519",
    "paper": "#1a1d22",
    "ink": "#e6e8eb",
    "quiet": "#9aa3ae",
    "line": "#2b3037",
}


# The library's own grey of small buttons is hardly seen on a dark ground.
_BUTTONS = {"& .MuiIconButton-root:not(.Mui-disabled)": {"color": "var(--mui-palette-text-secondary) !important"}}

# Tighter than the library's defaults, so that a sidebar holds many controls.
_COMPONENTS: dict[str, Any] = {
    "MuiPaper": {"styleOverrides": {"root": {"backgroundImage": "none"}}},
    "MuiAccordion": {
        "defaultProps": {"disableGutters": True, "elevation": 0, "square": True},
        "styleOverrides": {"root": {"borderBottom": "1px solid var(--mui-palette-divider)", "margin": "0 !important"}},
    },
    "MuiAccordionSummary": {
        "styleOverrides": {
            "root": {
                "minHeight": 36,
                "padding": "0 12px",
                "& h3, & .MuiTypography-root": {"fontSize": 14, "fontWeight": 650},
            },
            "content": {"margin": "8px 0 !important"},
        }
    },
    "MuiAccordionDetails": {"styleOverrides": {"root": {"padding": "0 0 8px"}}},
    "MuiCardHeader": {
        "styleOverrides": {
            "root": {
                "padding": "6px 12px !important",
                "& .MuiTypography-root": {"fontSize": "14px !important", "fontWeight": "650 !important"},
                **_BUTTONS,
            },
            "action": {"margin": "-6px -6px -6px 0 !important"},
        }
    },
    "MuiCardContent": {"styleOverrides": {"root": {"padding": "4px 0 6px !important"}}},
    "MuiFormLabel": {"styleOverrides": {"root": {"fontSize": "0.8125rem"}}},
    "MuiFormControlLabel": {"styleOverrides": {"label": {"fontSize": "0.8125rem"}}},
    "MuiInputBase": {"styleOverrides": {"root": {"fontSize": "0.8125rem"}}},
    "MuiInputAdornment": {"styleOverrides": {"root": _BUTTONS}},
    "MuiMenuItem": {"styleOverrides": {"root": {"fontSize": 13, "minHeight": 32}}},
    "MuiSlider": {"styleOverrides": {"root": {"paddingTop": 8, "paddingBottom": 8, "marginBottom": "0 !important"}}},
    "MuiTab": {"styleOverrides": {"root": {"minHeight": 36, "padding": "6px 12px", "fontSize": 13}}},
    "MuiTabs": {"styleOverrides": {"root": {"minHeight": 36, "display": "var(--frame, flex)"}}},
    "MuiTooltip": {
        "defaultProps": {"describeChild": True},  # a control's accessible name is its label, not its explanation
        "styleOverrides": {"tooltip": {"fontSize": 12.5, "lineHeight": 1.4, "maxWidth": 280}},
    },
}


def _theme(c: dict[str, str], dark: bool) -> dict[str, Any]:
    return {
        "palette": {
            "primary": {"main": c["accent"], "contrastText": "#0f1216" if dark else "#ffffff"},
            "background": {"default": c["ground"], "paper": c["paper"]},
            "text": {"primary": c["ink"], "secondary": c["quiet"]},
            "divider": c["line"],
        },
        "shape": {"borderRadius": 6},
        "typography": {
            "fontFamily": FONT,
            "fontSize": 13,
            "h1": {"fontFamily": FONT},
            "h2": {"fontFamily": FONT},
            "h3": {"fontFamily": FONT},
            "h4": {"fontFamily": FONT},
            "h5": {"fontFamily": FONT},
            "h6": {"fontFamily": FONT},
            "button": {"textTransform": "none", "fontWeight": 500},
        },
        "components": _COMPONENTS,
    }


THEME: dict[str, Any] = {"light": _theme(LIGHT, dark=False), "dark": _theme(DARK, dark=True)}
"""``theme_config`` of the page; its components inherit it."""

HEADER_HEIGHT = 48
SIDEBAR_WIDTH = 320

PAGE_SX: dict[str, Any] = {
    ".MuiAppBar-root": {
        "backgroundColor": "background.paper",
        "backgroundImage": "none",
        "color": "text.primary",
        "boxShadow": "none",
        "display": "var(--frame, flex)",
        "borderBottom": "1px solid",
        "borderColor": "divider",
    },
    ".MuiToolbar-root": {
        "display": "var(--frame, flex)",
        "minHeight": f"{HEADER_HEIGHT}px !important",
        "px": "12px !important",
        "m": "0 !important",
    },
    "nav.MuiBox-root": {"display": "var(--frame, block)"},
    "main": {"backgroundColor": "background.default"},
    ".sidebar": {"backgroundColor": "background.paper", "borderColor": "divider", "backgroundImage": "none"},
}

HEADER_CSS = f"""
:host {{ width: 100%; }}
nav {{ display: flex; align-items: center; gap: 4px; font: 14px/1.2 {FONT}; height: {HEADER_HEIGHT}px; }}
nav a {{ color: var(--mui-palette-text-secondary); text-decoration: none; padding: 6px 10px; border-radius: 6px;
  white-space: nowrap; }}
nav a:hover {{ color: var(--mui-palette-text-primary); background: var(--mui-palette-action-hover); }}
nav a:focus-visible {{ outline: 2px solid var(--mui-palette-primary-main); }}
nav a[aria-current] {{ color: var(--mui-palette-primary-main); font-weight: 600; }}
nav a.brand {{ display: flex; align-items: center; gap: 8px; color: var(--mui-palette-text-primary); font-size: 16px;
  font-weight: 650; letter-spacing: -0.01em; padding-left: 2px; margin-right: 10px; }}
nav a.brand svg {{ width: 26px; height: 26px; color: var(--mui-palette-primary-main); }}
h1 {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); margin: 0; }}
nav .device {{ margin-left: auto; padding: 0 10px; color: var(--mui-palette-text-secondary); font-size: 12.5px;
  white-space: nowrap; }}
@media (max-width: 1000px) {{ nav {{ gap: 0; }} nav .device, nav a.brand span {{ display: none; }}
  nav a {{ padding: 6px; font-size: 13px; }} }}
"""

HOME_CSS = f"""
:host {{ font: 15px/1.55 {FONT}; color: var(--mui-palette-text-primary); }}
h1 {{ font: 650 30px/1.15 {FONT}; letter-spacing: -0.02em; margin: 6px 0 12px; text-wrap: balance; }}
p {{ margin: 0 0 16px; line-height: 1.45; color: var(--mui-palette-text-secondary); text-wrap: pretty; }}
nav {{ display: grid; gap: 8px; }}
nav a, a.story {{ display: block; padding: 9px 14px; border: 1px solid var(--mui-palette-divider); border-radius: 10px;
  background: var(--mui-palette-background-paper); color: inherit; text-decoration: none; }}
a.story {{ margin-bottom: 8px; background: var(--mui-palette-primary-main); border-color: transparent;
  color: var(--mui-palette-primary-contrastText); }}
a.story :is(b, span) {{ display: block; color: inherit; }}
a.story b {{ font-size: 15.5px; line-height: 1.4; font-weight: 650; }}
a.story b::after {{ content: " →"; }}
a.story span {{ font-size: 13.5px; line-height: 1.4; }}
nav a:hover, a.story:hover {{ border-color: var(--mui-palette-text-primary); }}
:is(nav a, a.story):focus-visible {{ outline: 2px solid var(--mui-palette-primary-main); outline-offset: 2px; }}
nav b {{ display: block; font-size: 15.5px; line-height: 1.4; font-weight: 650;
  color: var(--mui-palette-primary-main); }}
nav b::after {{ content: " →"; }}
nav span {{ display: block; font-size: 13.5px; line-height: 1.4; color: var(--mui-palette-text-secondary); }}
"""

TABLE_CSS = """
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13.5px; margin: 4px 0 18px; }
caption { text-align: left; padding: 4px 0; opacity: .75; }
th, td { padding: 3px 14px 3px 0; text-align: left; white-space: nowrap; }
thead th { border-bottom: 1px solid currentColor; font-weight: 600; }
table:not(.pairs) tbody tr:first-child :is(td, th) { border-bottom: 1px solid #8886; }
tbody th { font-weight: 500; }
.far { color: #d0267b; }
"""

# Presenter mode: the frame vanishes, and all type that is measured in rem grows with the screen. Custom properties
# reach through the shadow roots of all components.
RAW_CSS = f"""
html, body {{ font-family: {FONT}; }}
html.presenting {{ font-size: max(20px, 3vh); --frame: none; }}
@media (min-width: 1001px) {{ html.presenting.story {{ --beside: calc(27vw + 8px); }} }}
"""


def picture_height(usual: str, above: int = 0) -> str:
    """The height of a picture: ``usual``, or what story and presenter mode leave to it in the window, less ``above``
    pixels of controls above it."""
    return f"calc(var(--picture, calc({usual} + {above}px)) - {above}px)"
