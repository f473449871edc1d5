// Files dropped on it, or chosen, are put to model.address one after the other.
export function render({ model }) {
  const root = document.createElement('div')
  root.className = 'zone'
  const label = document.createElement('label')
  const input = document.createElement('input')
  Object.assign(input, { type: 'file', multiple: true, accept: model.accept, ariaLabel: 'Import files' })
  const words = document.createElement('span')
  words.textContent = `Drop ${model.accept.replaceAll(',', ', ')} here, or click to choose`
  label.append(input, words)
  const list = document.createElement('ul')
  list.setAttribute('aria-live', 'polite')
  root.append(label, list)

  const queue = []
  let sending = false

  const line = (file) => {
    const item = document.createElement('li')
    item.textContent = `${file.name}: waits`
    list.prepend(item)
    while (list.children.length > 8) list.lastChild.remove()
    return item
  }

  const end = (item, level, text) => {
    item.className = level
    item.textContent = text
    model.done += 1
  }

  const send = (file, item) => new Promise((resolve) => {
    if (!model.address) return resolve(end(item, 'refused', `${file.name}: the page is not connected.`))
    if (!model.accept.split(',').some(suffix => file.name.toLowerCase().endsWith(suffix))) {
      return resolve(end(item, 'refused', `${file.name}: the library takes ${model.accept.replaceAll(',', ', ')} files.`))
    }
    if (file.size > model.largest) {
      const sizes = [file.size, model.largest].map(size => `${(size / 1e6).toPrecision(3)} MB`)
      return resolve(end(item, 'refused', `${file.name} has ${sizes[0]}; files of up to ${sizes[1]} are taken.`))
    }
    const request = new XMLHttpRequest()
    request.open('PUT', new URL(model.address, document.baseURI))
    request.setRequestHeader('X-File-Name', encodeURIComponent(file.name))
    request.upload.onprogress = (event) => {
      const part = Math.round(100 * event.loaded / Math.max(1, event.total))
      item.textContent = part < 100 ? `${file.name}: ${part} %` : `${file.name}: is checked …`
    }
    request.onload = () => {
      let answer = {}
      try { answer = JSON.parse(request.responseText) } catch { /* not ours: the sentence below */ }
      if (answer.taken) resolve(end(item, 'taken', answer.taken))
      else resolve(end(item, 'refused', answer.refused || `${file.name} was not taken.`))
    }
    request.onerror = () => resolve(end(item, 'refused', `${file.name}: the connection to the server was lost.`))
    request.send(file)
  })

  const work = async () => {
    if (sending) return
    sending = true
    while (queue.length) await send(...queue.shift())
    sending = false
  }
  const add = (files) => {
    for (const file of files) queue.push([file, line(file)])
    work()
  }
  input.addEventListener('change', () => { add([...input.files]); input.value = '' })
  for (const kind of ['dragenter', 'dragover']) {
    root.addEventListener(kind, (event) => { event.preventDefault(); root.classList.add('over') })
  }
  root.addEventListener('dragleave', () => root.classList.remove('over'))
  root.addEventListener('drop', (event) => {
    event.preventDefault()
    root.classList.remove('over')
    add([...event.dataTransfer.files])
  })
  return root
}
