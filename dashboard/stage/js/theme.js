// The ink of the figures. Roles of series come from Python (COLOURS stands at the head of the joined module).
/* global COLOURS */

const INK = {
  light: { text: "#1c2024", soft: "#5d6670", axis: "#3c434a", grid: "rgba(20,30,40,0.08)", paper: "#ffffff" },
  dark: { text: "#e9ecef", soft: "#a3acb5", axis: "#aab3bb", grid: "rgba(255,255,255,0.09)", paper: "#1b1f23" },
};

export function makeTheme(dark, width) {
  const name = dark ? "dark" : "light";
  const size = width >= 1700 ? 16 : width >= 1200 ? 14 : 13;
  const family = "system-ui, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif";
  return {
    ...INK[name],
    name,
    size,
    font: `${size}px ${family}`,
    small: `${Math.max(12, size - 1)}px ${family}`,
    bold: `600 ${size + 1}px ${family}`,
    colour: (role) => COLOURS[name][role] || role,
  };
}
