// Guess first: choosing an answer opens what comes out. Without JavaScript a click on it does.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".admonition.guess").forEach((guess) => {
    const result = guess.querySelector("details")
    const answers = [...guess.querySelectorAll(":scope > ul > li")]
    if (!result || !answers.length) return
    guess.classList.add("guess-live")
    answers.forEach((answer) => {
      answer.querySelectorAll("a").forEach((link) => link.replaceWith(...link.childNodes))
      const button = document.createElement("button")
      button.type = "button"
      button.setAttribute("aria-pressed", "false")
      button.append(...answer.childNodes)
      answer.append(button)
      button.addEventListener("click", () => {
        answers.forEach((one) => one.firstChild.setAttribute("aria-pressed", one === answer))
        result.open = true
      })
    })
  })
})
