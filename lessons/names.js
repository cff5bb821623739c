// Names for what the theme leaves nameless, so that a screen reader can say what it is.
function nameThem() {
  document.querySelectorAll(".md-search").forEach((e) => e.setAttribute("aria-label", "Search"))
  document.querySelectorAll("a.md-annotation__index").forEach((e) => e.setAttribute("aria-label", "Note"))
  document.querySelectorAll(".md-typeset__scrollwrap, math, .md-typeset pre > code").forEach((e) => {
    if (e.scrollWidth > e.clientWidth) e.setAttribute("tabindex", "0")
  })
}
document.addEventListener("DOMContentLoaded", nameThem)
new MutationObserver(nameThem).observe(document.documentElement, { childList: true, subtree: true })
