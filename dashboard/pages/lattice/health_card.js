// One chip for every check, updated in place, and below them the sentence of the one under the pointer, else the worst.
import { follow } from "../../stage/js/frames.js";

const SYMBOLS = { green: '✓', amber: '!', red: '✕', grey: '–' }
const WORDS = { green: 'good', amber: 'look again', red: 'bad', grey: 'not known' }
const RANK = ['grey', 'green', 'amber', 'red']

export function render({ model, el }) {
  const root = document.createElement('div')
  root.className = 'health'
  root.setAttribute('role', 'group')
  root.setAttribute('aria-label', 'Health of the run')
  const row = document.createElement('div')
  row.className = 'chips'
  const line = document.createElement('p')
  line.id = 'sentence'
  root.append(row, line)
  const chips = []
  let checks = model.checks
  let pointed = null
  let pinned = null

  const chip = (i) => {
    const b = document.createElement('button')
    b.type = 'button'
    b.append(document.createElement('i'), document.createElement('span'))
    b.addEventListener('pointerenter', () => { pointed = i; tell() })
    b.addEventListener('pointerleave', () => { pointed = null; tell() })
    b.addEventListener('focus', () => { pointed = i; tell() })
    b.addEventListener('blur', () => { pointed = null; tell() })
    b.addEventListener('click', () => { pinned = pinned === i ? null : i; tell() })
    row.append(b)
    chips[i] = b
    return b
  }
  const worst = () => {
    let found = 0
    checks.forEach((c, i) => { if (RANK.indexOf(c[1]) > RANK.indexOf(checks[found][1])) found = i })
    return found
  }
  const tell = () => {
    if (!checks.length) { line.textContent = model.empty; return }
    const i = pointed ?? pinned ?? worst()
    chips.forEach((b, k) => b.classList.toggle('told', k === i))
    chips.forEach((b, k) => b.setAttribute('aria-pressed', String(k === pinned)))
    line.textContent = (pointed ?? pinned) === null && checks[i][1] === 'green' ? model.well : checks[i][2]
  }
  const show = () => {
    checks.forEach(([name, level, sentence], i) => {
      const b = chips[i] ?? chip(i)
      b.className = level
      b.firstChild.textContent = SYMBOLS[level]
      b.lastChild.textContent = name
      b.setAttribute('aria-label', `${name}: ${WORDS[level]}. ${sentence}`)
    })
    while (chips.length > checks.length) chips.pop().remove()
    if (pinned >= chips.length) pinned = null
    tell()
  }
  const renew = (found) => { checks = found; show() }
  model.on('checks', () => renew(model.checks))
  const failed = () => { if (model.stream) model.send_msg({ ready: true }) }
  model.on('remove', follow(model.stream, ({ value }) => renew(value), failed))
  show()
  return root
}
