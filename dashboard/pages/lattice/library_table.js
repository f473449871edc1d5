// A table of which one row can be chosen, by pointer or, as a group of radio buttons, by keys.
export function render({ model }) {
  const frame = document.createElement('div')
  frame.className = 'frame'
  const table = document.createElement('table')
  table.append(document.createElement('caption'), document.createElement('thead'), document.createElement('tbody'))
  const [caption, head, body] = table.children
  frame.append(table)
  const group = `row-${Math.random().toString(36).slice(2)}`

  const mark = () => {
    for (const row of body.rows) {
      const chosen = row.dataset.name === model.selected
      row.classList.toggle('chosen', chosen)
      const button = row.querySelector('input[type=radio]')
      if (button) button.checked = chosen
      const box = row.querySelector('input[type=checkbox]')
      if (box) box.checked = model.marked.includes(row.dataset.name)
    }
  }
  const choose = (name) => { model.selected = name; mark() }

  const draw = () => {
    const focused = model.rows.findIndex(r => r.name === frame.getRootNode().activeElement?.value)
    caption.textContent = model.caption
    const names = document.createElement('tr')
    if (model.marking) {
      const cell = document.createElement('th')
      cell.scope = 'col'
      cell.textContent = model.marking
      names.append(cell)
    }
    model.columns.forEach((name, k) => {
      const cell = document.createElement('th')
      cell.scope = 'col'
      cell.textContent = name
      if (model.right.includes(k)) cell.className = 'right'
      names.append(cell)
    })
    head.replaceChildren(...(model.rows.length ? [names] : []))
    body.replaceChildren(...model.rows.map((r) => {
      const row = document.createElement('tr')
      row.dataset.name = r.name
      if (model.marking) {
        const cell = document.createElement('td')
        if (r.markable) {
          const box = document.createElement('input')
          Object.assign(box, { type: 'checkbox', ariaLabel: `${model.marking}: ${r.cells[0]}` })
          box.addEventListener('click', event => event.stopPropagation())
          box.addEventListener('change', () => {
            const others = model.marked.filter(name => name !== r.name)
            model.marked = box.checked ? [...others, r.name] : others
          })
          cell.append(box)
        }
        row.append(cell)
      }
      const note = document.createElement('td')
      note.className = `note ${r.level}`
      note.textContent = r.note
      note.title = r.title
      r.cells.forEach((text, k) => {
        const cell = document.createElement(k ? 'td' : 'th')
        if (k && model.right.includes(k + 1)) cell.className = 'right'
        if (k) cell.textContent = text
        else {
          cell.scope = 'row'
          const label = document.createElement('label')
          const button = document.createElement('input')
          Object.assign(button, { type: 'radio', name: group, value: r.name })
          button.addEventListener('change', () => choose(r.name))
          label.append(button, text)
          cell.append(label)
        }
        row.append(cell)
        if (!k) row.append(note)
      })
      row.addEventListener('click', () => choose(r.name))
      return row
    }))
    mark()
    if (focused >= 0) body.rows[focused].querySelector('input[type=radio]').focus()
  }
  for (const name of ['rows', 'columns', 'caption', 'marking']) model.on(name, draw)
  for (const name of ['selected', 'marked']) model.on(name, mark)
  draw()
  return frame
}
