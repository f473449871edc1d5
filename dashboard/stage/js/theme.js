// The look of the figures. COLOURS (roles of series) and INK (text and paper) come from Python, at the head of the module.
/* global COLOURS, INK */

const FAINT = { light: "rgba(20,30,40,0.09)", dark: "rgba(255,255,255,0.10)" };

// `enlargement` is of the page's type, see StageView.
export function makeTheme(dark, width, enlargement = 1) {
  const name = dark ? "dark" : "light";
  const ink = INK[name];
  const usual = width >= 1700 ? 16 : width >= 1200 ? 14 : 13;
  const size = enlargement > 1 ? Math.round(14 * enlargement) : usual;
  const family = "system-ui, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif";
  return {
    name,
    size,
    text: ink.ink,
    soft: ink.quiet,
    paper: ink.paper,
    axis: ink.quiet,
    grid: FAINT[name],
    font: `${size}px ${family}`,
    small: `${Math.max(12, size - 1)}px ${family}`,
    bold: `600 ${size + 1}px ${family}`,
    colour: (role) => COLOURS[name][role] || role,
  };
}

// The same ink for buttons and boxes, as custom properties of an element.
export function inkProperties(dark) {
  const { accent, paper, ink, quiet, line } = INK[dark ? "dark" : "light"];
  return { "--stage-accent": accent, "--stage-card": paper, "--stage-ink": ink, "--stage-soft": quiet, "--stage-line": line };
}
