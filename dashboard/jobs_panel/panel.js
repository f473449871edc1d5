// A button that counts the jobs under way, and the list that it opens.
const STATES = { waiting: 'waits', running: 'runs', paused: 'paused', stopping: 'stops', finished: 'finished',
  failed: 'failed', cancelled: 'cancelled' }
const KINDS = { training: 'Training', scan: 'Scan', ensemble: 'Ensemble' }
const YEAR = 365 * 24 * 3600

export function render({ model }) {
  const keep = () => {
    const kept = document.cookie.split('; ').find(c => c.startsWith(`${model.cookie}=`))?.split('=')[1]
    if (kept && kept !== model.owner) model.send_msg({ owner: kept })
    else document.cookie = `${model.cookie}=${model.owner}; max-age=${YEAR}; path=/; SameSite=Lax`
  }
  const root = document.createElement('div')
  root.className = 'jobs'
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'opener'
  const sheet = document.createElement('section')
  sheet.id = 'sheet'
  sheet.popover = 'auto'
  sheet.setAttribute('aria-label', 'Jobs on this server')
  const heading = document.createElement('h2')
  heading.textContent = 'Jobs on this server'
  const list = document.createElement('ul')
  const problem = document.createElement('p')
  problem.className = 'problem'
  problem.setAttribute('role', 'status')
  const about = document.createElement('p')
  about.className = 'quiet'
  about.textContent = 'Jobs go on when you close the page; this browser finds its own ones again.'
  sheet.append(heading, list, problem, about)
  button.popoverTargetElement = sheet
  button.setAttribute('aria-haspopup', 'dialog')
  button.setAttribute('aria-expanded', 'false')
  sheet.addEventListener('toggle', (event) => {
    const open = event.newState === 'open'
    button.setAttribute('aria-expanded', String(open))
    if (open) {
      const box = button.getBoundingClientRect()
      sheet.style.top = `${box.bottom + 6}px`
      sheet.style.right = `${Math.max(8, innerWidth - box.right)}px`
    }
  })
  root.append(button, sheet)

  const items = new Map()
  const item = (job) => {
    const li = document.createElement('li')
    const line = document.createElement('div')
    line.className = 'line'
    const title = document.createElement('a')
    const whose = document.createElement('span')
    whose.className = 'whose'
    const state = document.createElement('span')
    state.className = 'state'
    const cancel = document.createElement('button')
    cancel.type = 'button'
    cancel.textContent = 'Cancel'
    cancel.addEventListener('click', () => {
      cancel.disabled = true
      model.send_msg({ cancel: job.id })
    })
    line.append(title, whose, state, cancel)
    const bar = document.createElement('progress')
    bar.max = 100
    const words = document.createElement('p')
    words.className = 'quiet'
    li.append(line, bar, words)
    list.append(li)
    const parts = { li, title, whose, state, cancel, bar, words }
    items.set(job.id, parts)
    return parts
  }
  const show = () => {
    const jobs = model.jobs
    root.hidden = !jobs.length
    const running = jobs.filter(job => !job.over).length
    button.textContent = running ? `${running} job${running > 1 ? 's' : ''}` : 'Jobs'
    button.classList.toggle('running', running > 0)
    const known = new Set(jobs.map(job => job.id))
    for (const [id, parts] of items) if (!known.has(id)) { parts.li.remove(); items.delete(id) }
    jobs.forEach((job, i) => {
      const p = items.get(job.id) ?? item(job)
      if (list.children[i] !== p.li) list.insertBefore(p.li, list.children[i] ?? null)
      const query = new URLSearchParams(job.place)
      if (new URLSearchParams(location.search).get('theme')) query.set('theme', 'dark')
      p.title.textContent = `${KINDS[job.kind] ?? job.kind}: ${job.title}`
      p.title.href = `?${query}`
      p.whose.textContent = job.mine ? 'you' : 'someone else'
      p.state.textContent = STATES[job.state] ?? job.state
      p.state.className = `state ${job.state}`
      p.bar.hidden = job.over
      if (job.percent === null) p.bar.removeAttribute('value')
      else p.bar.value = job.percent
      p.bar.setAttribute('aria-label', `Progress of ${job.title}`)
      p.words.textContent = job.words
      p.words.hidden = !job.words
      p.cancel.hidden = job.over || !job.mine
      p.cancel.disabled = job.state === 'stopping'
      p.cancel.setAttribute('aria-label', `Cancel ${job.title}`)
    })
    problem.textContent = model.problem
    problem.hidden = !model.problem
  }
  model.on('jobs', show)
  model.on('problem', show)
  model.on('owner', keep)
  keep()
  show()
  return root
}
