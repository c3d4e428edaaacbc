// The page of the query service: one sentence in, pictures with boxes out. No build step, no library.
'use strict'

// ------------------------------------------------------------------------------------------------ the service's JSON

/**
 * @typedef {[number, number, number, number]} Box  x0, y0, x1, y1 in pixels of the upright original
 * @typedef {{rank: number, score: number, probability: number|null, image_id: number, path: string, width: number,
 *   height: number, box: Box, objectness: number, instance_id: number, mask: Mask|null, stages: Object<string, any>}} Hit
 * @typedef {{size: [number, number], counts: string}} Mask  COCO run lengths of the upright original
 * @typedef {{snapshot: number, no_match: boolean|null, next_cursor: string|null, warnings: string[],
 *   timings_ms: Object<string, number>, hits: Hit[]}} Answer
 * @typedef {{image_id: number, path: string, width: number, height: number, taken_at: string|null,
 *   latitude: number|null, longitude: number|null,
 *   instances: {instance_id: number, box: Box, objectness: number}[]}} Picture
 * @typedef {{kind: 'text', text: string} | {kind: 'like', id: number} | {kind: 'crop', key: string}} Query
 * @typedef {{path: string, after: string, before: string, min: string}} Filters
 * @typedef {{rerank: string, refine: string, mask: string}} Stages  names; of rerank several, parted by commas
 * @typedef {{query: Query|null, filters: Filters, boxes: boolean, stages: Stages}} Wish  what is asked for; the address
 *   says it too
 * @typedef {{hits: Hit[], boxed: boolean}} Tile  one place of the grid: a picture with its hits, or a single box
 */

const PAGE_SIZE = 40
const TYPING_PAUSE = 140
const STAGED_PAUSE = 700 // stages take their time: not for every letter
const LOADING_SHOWN_AFTER = 150
const AHEAD = 600 // pixels below the window at which more is fetched
const BUSY_RETRIES = 5
const THUMBNAIL_SIDES = [160, 320, 640, 1280, 2048]
const UPLOAD_SIDE = 1024
const CROP_MARGIN = 0.5
const LIKELY = 0.05 // chance from which a hit counts as one that fits
const NO_FILTERS = { path: '', after: '', before: '', min: '' }
const NO_STAGES = { rerank: '', refine: '', mask: '' }
const STEPS = ['wait', 'encode', 'search', 'metadata', 'total'] // the other timings are those of stages
const MASK_SIDE = 320 // pixels of a mask's longer side in the grid
const LARGE_MASK_SIDE = 1280
const MASK_COLOURS = { best: [255, 206, 31, 120], other: [255, 255, 255, 92] }

const EMPTY_GALLERY = 'The gallery holds no objects yet. Index a folder with: reir index FOLDER'

/** Sentences to start from, by model: a model that knows one small world is asked about that world. */
const EXAMPLES = {
  'clare-tiny': [
    'the mid-sized brown hog',
    'a pizza which is underneath a white saw',
    'leftmost of the cows, the red one',
    'the yellow cake which is in the centre',
    'large brown dinosaur next to strawberry',
    'the tiny blue telephone to the left of a little purple rocket',
  ],
  other: [
    'a dog lying on a sofa',
    'person in a red jacket',
    'the cup left of a laptop',
    'bicycle leaning against a wall',
    'child on a swing',
    'white boat on the water',
  ],
}

/** An answer of the service that is not the one hoped for; `status` 0: there was no answer. */
class ServiceError extends Error {
  /** @param {number} status @param {string} code @param {string} message @param {number|null} wait seconds */
  constructor(status, code, message, wait = null) {
    super(message)
    this.status = status
    this.code = code
    this.wait = wait
  }
}

/**
 * The JSON (or null) that the service answers. A locked gallery asks for the key and then tries again.
 * @param {string} path @param {{method?: string, json?: any, form?: FormData, signal?: AbortSignal}} [request]
 */
async function call(path, { method, json, form, signal } = {}) {
  const body = form ?? (json === undefined ? undefined : JSON.stringify(json))
  const headers = { Accept: 'application/json', ...(json === undefined ? {} : { 'Content-Type': 'application/json' }) }
  let response
  try {
    response = await fetch(path, { method: method ?? (body ? 'POST' : 'GET'), headers, body, signal })
  } catch (error) {
    if (error.name === 'AbortError') throw error
    throw new ServiceError(0, 'unreachable', 'The service does not answer. Is it still running?')
  }
  if (response.status === 204) return null
  const answer = await response.json().catch(() => null)
  if (response.ok && answer) return answer
  if (response.status === 401 && path !== 'v1/session') {
    await askForKey()
    return call(path, { method, json, form, signal })
  }
  const said = answer?.error
  const wait = Number.parseFloat(response.headers.get('Retry-After') ?? '')
  throw new ServiceError(response.status, said?.code ?? 'unknown',
    said?.message ?? `The service answered with status ${response.status}.`, Number.isFinite(wait) ? wait : null)
}

const thumbnail = (imageId, side) => `v1/images/${imageId}/thumbnail?side=${side}`
const cropOf = (instanceId, side, margin) => `v1/instances/${instanceId}/crop?side=${side}&margin=${margin}`

// ------------------------------------------------------------------------------------------------------- small tools

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id)

/** An element; attributes that are null or false are left out, `on…` are listeners. @returns {any} */
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value)
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : value)
  }
  node.append(...children.filter((child) => child !== null))
  return node
}

function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('class', 'icon')
  svg.setAttribute('aria-hidden', 'true')
  svg.append(document.createElementNS('http://www.w3.org/2000/svg', 'use'))
  svg.firstElementChild.setAttribute('href', `#icon-${name}`)
  return svg
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high)
const number = (value) => value.toLocaleString('en')
const counted = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`

/** The chance as a person says it, or the raw score of a model that is not calibrated. @param {Hit} hit */
function rating(hit) {
  if (hit.probability === null) return hit.score.toFixed(2)
  if (hit.probability > 0.995) return '>99%'
  return hit.probability < 0.005 ? '<1%' : `${Math.round(hit.probability * 100)}%`
}

/** Where in the picture, in words: for those who cannot see the box. @param {Hit} hit */
function place({ box: [x0, y0, x1, y1], width, height }) {
  const column = ['left', 'centre', 'right'][clamp(Math.floor((1.5 * (x0 + x1)) / width), 0, 2)]
  const row = ['upper', 'middle', 'lower'][clamp(Math.floor((1.5 * (y0 + y1)) / height), 0, 2)]
  return row === 'middle' && column === 'centre' ? 'in the middle' : `at the ${row} ${column}`
}

/** Puts an element where a box lies, in shares of the picture, so that it stays right at every size. */
function putAt(node, [x0, y0, x1, y1], width, height) {
  node.style.left = `${(100 * x0) / width}%`
  node.style.top = `${(100 * y0) / height}%`
  node.style.width = `${(100 * (x1 - x0)) / width}%`
  node.style.height = `${(100 * (y1 - y0)) / height}%`
  return node
}

/** The folder, which may be cut short, and the file's name, which is kept as long as it can be. */
function pathLabel(path) {
  const cut = path.lastIndexOf('/') + 1
  return make('span', { class: 'path', title: path },
    cut ? make('span', { class: 'folder' }, path.slice(0, cut)) : null, make('span', { class: 'name' }, path.slice(cut)))
}

let toastTimer = 0
function toast(text) {
  $('toast').textContent = text
  $('toast').classList.add('shown')
  clearTimeout(toastTimer)
  toastTimer = setTimeout(() => $('toast').classList.remove('shown'), 5000)
}

// ------------------------------------------------------------------------------------------------------------- theme

const THEMES = ['system', 'light', 'dark']

function storedTheme() {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem('reir-theme')) ?? 'system'
  } catch {
    return 'system' // storage can be forbidden
  }
}

function applyTheme(theme) {
  document.documentElement.dataset.theme = theme
  if (!$('theme')) return
  $('theme-icon').setAttribute('href', `#icon-${theme}`)
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]
  $('theme').setAttribute('aria-label', `Theme: ${theme}. Change to ${next}`)
  $('theme').title = `Theme: ${theme} (t)`
}

function nextTheme() {
  const theme = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]
  try {
    localStorage.setItem('reir-theme', theme)
  } catch {
    // It holds for this visit then.
  }
  applyTheme(theme)
}

applyTheme(storedTheme()) // before the first paint

// ------------------------------------------------------------------------------------------------------------- state

/** @type {Wish} */
let wish = { query: null, filters: { ...NO_FILTERS }, boxes: false, stages: { ...NO_STAGES } }
/** What the grid shows, and how to go on. */
const shown = {
  /** @type {Tile[]} */ tiles: [], /** @type {string|null} */ cursor: null, key: '', noMatch: false, timing: '',
  /** @type {string[]} */ notes: [], /** @type {Promise<void> | null} */ coming: null,
}
/** Answers of earlier places in the history, so that going back is instant and keeps its place. */
const remembered = new Map()
/** Uploaded crops by key; they live as long as the page. @type {Map<string, {blob: Blob, url: string}>} */
const crops = new Map()
let stats = null
let focusIndex = 0

const keyOf = ({ query, filters, boxes, stages }) => JSON.stringify([query, filters, boxes, stages])
const staged = ({ stages }) => Object.values(stages).some(Boolean)

/** @returns {Wish} */
function wishFromAddress() {
  const parameters = new URLSearchParams(location.search)
  const text = parameters.get('q')?.trim()
  const like = parameters.get('like')
  const crop = parameters.get('example')
  /** @type {Query|null} */
  let query = null
  if (like && /^\d+$/.test(like)) query = { kind: 'like', id: Number(like) }
  else if (crop) query = { kind: 'crop', key: crop }
  else if (text) query = { kind: 'text', text }
  const given = (names) => Object.fromEntries(Object.keys(names).map((name) => [name, parameters.get(name) ?? '']))
  const filters = /** @type {Filters} */ (given(NO_FILTERS))
  return { query, filters, boxes: parameters.get('show') === 'boxes', stages: /** @type {Stages} */ (given(NO_STAGES)) }
}

function addressOf({ query, filters, boxes, stages }, imageId = null) {
  const parameters = new URLSearchParams()
  if (query?.kind === 'text') parameters.set('q', query.text)
  if (query?.kind === 'like') parameters.set('like', String(query.id))
  if (query?.kind === 'crop') parameters.set('example', query.key)
  for (const [name, value] of Object.entries({ ...filters, ...stages })) if (value) parameters.set(name, value)
  if (boxes) parameters.set('show', 'boxes')
  if (imageId !== null) parameters.set('image', String(imageId))
  return parameters.size ? `?${parameters}` : './'
}

let typing = false // the newest history entry is a sentence that is still being written

/** Ask for something else: the address, the controls and the grid follow. @param {Partial<Wish>} change */
function ask(change, { typed = false, now = !typed } = {}) {
  const next = { ...wish, ...change }
  if (keyOf(next) === keyOf(wish)) {
    typing = typing && typed
    if (now && shown.key !== keyOf(wish)) search()
    return
  }
  remember()
  wish = next
  if (typing && typed) history.replaceState(null, '', addressOf(wish))
  else history.pushState(null, '', addressOf(wish))
  typing = typed
  showControls({ keepText: typed })
  search(now ? 0 : staged(wish) ? STAGED_PAUSE : TYPING_PAUSE)
}

function remember() {
  if (!shown.key || !shown.tiles.length) return
  remembered.delete(shown.key)
  remembered.set(shown.key, { ...shown, scroll: scrollY })
  if (remembered.size > 12) remembered.delete(remembered.keys().next().value)
}

/** The page as the address says it: on arrival, and on going back or forward. */
async function followAddress() {
  const next = wishFromAddress()
  typing = false
  if (keyOf(next) !== keyOf(wish) || keyOf(next) !== shown.key) {
    remember()
    wish = next
    showControls()
    const before = remembered.get(keyOf(wish))
    if (before && wish.query) recall(before)
    else await search()
  }
  const image = new URLSearchParams(location.search).get('image')
  if (image && /^\d+$/.test(image)) openView(Number(image), { history: false })
  else if ($('view').open) $('view').close()
}

function recall(before) {
  stopSearch()
  Object.assign(shown, before, { coming: null })
  showGrid(before.tiles)
  scrollTo(0, before.scroll)
}

// ------------------------------------------------------------------------------------------------------------ search

let ticket = 0
let aborter = new AbortController()
let searchTimer = 0
let retryTimer = 0
let retries = 0

function stopSearch() {
  ticket += 1
  aborter.abort()
  aborter = new AbortController()
  clearTimeout(searchTimer)
  clearInterval(retryTimer)
  $('busy').hidden = true
}

/** Answers the wish after a pause; what was under way is given up. @returns {Promise<void>} */
function search(pause = 0) {
  stopSearch()
  if (!pause) return searchNow(ticket)
  return new Promise((done) => { searchTimer = setTimeout(() => done(searchNow(ticket)), pause) })
}

async function searchNow(mine) {
  if (!wish.query) return welcome()
  const late = setTimeout(() => { if (mine === ticket) showLoading() }, LOADING_SHOWN_AFTER)
  try {
    const key = keyOf(wish)
    if (staged(wish) && !stats) await refreshStats() // which of them fit the question
    const answer = await send(requestOf(wish.query), aborter.signal)
    if (mine !== ticket) return
    await refreshStats(answer.snapshot)
    if (mine !== ticket) return
    retries = 0
    shown.key = key
    showAnswer(answer)
  } catch (error) {
    if (mine === ticket && error.name !== 'AbortError') showFailure(error)
  } finally {
    clearTimeout(late)
    if (mine === ticket) $('busy').hidden = true
  }
}

/** The fields of a request that say what is searched for, and a file to send along. @param {Query} query */
function requestOf(query) {
  if (query.kind === 'text') return { fields: { expression: query.text } }
  if (query.kind === 'like') return { fields: { instance_id: query.id } }
  const crop = crops.get(query.key)
  if (!crop) throw new ServiceError(0, 'forgotten', 'An example picture is kept only while the page is open. Choose it again.')
  return { fields: {}, image: crop.blob }
}

/** @returns {Promise<Answer>} */
function send({ fields, image = null }, signal) {
  const { path, after, before, min } = wish.filters
  const filter = { path_prefix: path || null, after: after || null, before: before || null }
  const stages = stagesFor(wish)
  const json = {
    ...fields,
    rerank: stages.rerank ? stages.rerank.split(',') : [],
    refine: stages.refine || null,
    mask: stages.mask || null,
    top: PAGE_SIZE,
    group_by: wish.boxes ? 'none' : 'image',
    min_score: min === '' || Number.isNaN(Number(min)) ? null : Number(min),
    filter: path || after || before ? filter : null,
  }
  if (!image) return call('v1/search', { json, signal })
  const form = new FormData()
  form.append('image', image, 'example.jpg')
  form.append('request', JSON.stringify(json))
  return call('v1/search', { form, signal })
}

/** The stages that are wanted, for a picture as the question without those that compare with words. @param {Wish} of */
function stagesFor({ query, stages }) {
  if (query?.kind === 'text' || !stats) return stages
  const fits = (kind) => (name) => !stats.stages.find((stage) => stage.kind === kind && stage.name === name)?.needs_expression
  const left = Object.entries(stages).map(([kind, names]) => [kind, names.split(',').filter(fits(kind)).join(',')])
  return /** @type {Stages} */ (Object.fromEntries(left))
}

/** The next page of the answer; nothing happens when there is none or one is on its way (`shown.coming`). */
async function more() {
  if (!shown.cursor || shown.coming) return
  shown.coming = nextPage()
  await shown.coming
}

async function nextPage() {
  const mine = ticket
  $('more').textContent = 'Loading…'
  try {
    const answer = await send({ fields: { cursor: shown.cursor } }, aborter.signal)
    if (mine !== ticket) return
    shown.cursor = answer.next_cursor
    addTiles(tilesOf(answer.hits))
    showCount()
    showEnd()
  } catch (error) {
    if (mine !== ticket || error.name === 'AbortError') return
    shown.cursor = null
    showEnd(error.status === 410 ? 'The gallery has changed since this search.' : error.message)
  } finally {
    if (mine === ticket) shown.coming = null
  }
  fillScreen()
}

/** Goes on while the end of the grid is in sight, or nearly so. */
function fillScreen() {
  if (shown.cursor && $('end').getBoundingClientRect().top < innerHeight + AHEAD) more()
}

// ----------------------------------------------------------------------------------------------------------- results

/** Shows one of the page's faces: welcome, grid, nothing, failure. */
function showOnly(face) {
  for (const id of ['welcome', 'failure', 'nothing']) $(id).hidden = id !== face
  $('grid').hidden = face !== 'grid'
  $('summary').hidden = face !== 'grid'
  $('warnings').hidden = true
  $('end').hidden = true
  if (face !== 'grid') {
    $('grid').replaceChildren()
    Object.assign(shown, { tiles: [], cursor: null, key: '' })
  }
}

function showLoading() {
  $('busy').hidden = false
  if (shown.tiles.length) return
  showOnly('grid')
  $('status').textContent = 'Searching…'
  $('timing').textContent = ''
  const ratios = [1.5, 0.75, 1.33, 1, 1.78, 0.8, 1.5, 1.33, 0.7, 1.5, 1, 1.33, 1.6, 0.75, 1.33, 1.5]
  $('grid').replaceChildren(...ratios.map((ratio) => {
    const item = make('li', { class: 'item skeleton', 'aria-hidden': 'true' }, make('div', { class: 'picture' }))
    item.style.setProperty('--ratio', String(ratio))
    return item
  }))
}

/** @param {Answer} answer */
function showAnswer(answer) {
  if (!answer.hits.length) return showNothing()
  Object.assign(shown, {
    cursor: answer.next_cursor, noMatch: answer.no_match === true, timing: timingOf(answer),
    notes: answer.warnings.filter((warning) => warning !== stats?.model.notice),
  })
  showGrid(tilesOf(answer.hits))
  scrollTo(0, 0)
}

/** @param {Answer} answer */
function timingOf(answer) {
  const held = stats ? ` · ${counted(stats.instances, 'object')} in ${counted(stats.images, 'picture')}` : ''
  const took = Object.entries(answer.timings_ms).filter(([name]) => !STEPS.includes(name))
    .map(([name, time]) => `${name === 'prepare' ? 'loading' : name} ${duration(time)}`)
  return `${duration(answer.timings_ms.total)}${took.length ? ` (${took.join(', ')})` : ''}${held}`
}

const duration = (time) => (time < 9950 ? `${number(Math.max(1, Math.round(time)))} ms` : `${(time / 1000).toFixed(1)} s`)

/** These tiles, and what `shown` says of them. @param {Tile[]} tiles */
function showGrid(tiles) {
  showOnly('grid')
  $('grid').replaceChildren()
  shown.tiles = []
  focusIndex = 0
  addTiles(tiles)
  showCount()
  $('timing').textContent = shown.timing
  $('warnings').replaceChildren(...shown.notes.map((note) => make('li', {}, note)))
  $('warnings').hidden = !shown.notes.length
  showEnd()
  fillScreen()
}

function showNothing() {
  showOnly('nothing')
  const filtered = Object.values(wish.filters).some(Boolean)
  $('nothing-text').textContent = filtered
    ? 'No picture passes the filters.'
    : EMPTY_GALLERY
  $('nothing-clear').hidden = !filtered
}

/** @param {ServiceError} error */
function showFailure(error) {
  showOnly('failure')
  const wait = error.status === 503 && retries < BUSY_RETRIES ? error.wait : null
  const titles = { 0: 'No answer', 410: 'That box is gone', 503: 'The service is busy' }
  $('failure-title').textContent = error.code === 'forgotten' ? 'The example is gone' : titles[error.status] ?? 'That did not work'
  $('failure-text').textContent = error.message
  $('retry').hidden = error.code === 'forgotten' || error.status === 410
  $('retry').textContent = 'Try again'
  if (wait === null) return
  let left = Math.max(1, Math.ceil(wait))
  const tick = () => {
    $('retry').textContent = `Try again (by itself in ${left} s)`
    if (left-- > 0) return
    retries += 1
    search()
  }
  tick()
  retryTimer = setInterval(tick, 1000)
}

function showCount() {
  const count = shown.tiles.length
  const fitting = shown.tiles.filter(likely).length
  const [one, many] = wish.boxes ? ['box', 'boxes'] : ['picture', 'pictures']
  let text = `${shown.cursor ? 'Best ' : ''}${counted(count, one, many)}`
  if (fitting && fitting < count) text = counted(fitting, `likely ${one}`, `likely ${many}`)
  if (shown.noMatch) text = 'Nothing here seems to fit. The nearest are:'
  $('status').textContent = text
  $('status').classList.toggle('strong', shown.noMatch)
  $('grid').classList.toggle('dim', shown.noMatch)
}

/** The foot of the grid: more to come, or why there is no more. */
function showEnd(problem = '') {
  $('end').hidden = !shown.cursor && !problem
  $('end-text').textContent = problem
  $('end-text').hidden = !problem
  $('more').textContent = problem ? 'Search again' : 'Show more'
}

/** @param {Hit[]} hits @returns {Tile[]} */
function tilesOf(hits) {
  if (wish.boxes) return hits.map((hit) => ({ hits: [hit], boxed: true }))
  const groups = new Map()
  for (const hit of hits) groups.set(hit.image_id, [...(groups.get(hit.image_id) ?? []), hit])
  return [...groups.values()].map((group) => ({ hits: group, boxed: false }))
}

/** @param {Tile[]} tiles */
function addTiles(tiles) {
  for (const tile of tiles) {
    const index = shown.tiles.push(tile) - 1
    const parted = index > 0 && likely(shown.tiles[index - 1]) && !likely(tile)
    // What fits stands apart from what merely comes next; the filler keeps the row above from being stretched.
    if (parted) $('grid').append(make('li', { class: 'filler', 'aria-hidden': 'true' }), make('li', { class: 'divider' }, 'Less likely'))
    $('grid').append(tileNode(tile, index))
  }
}

/** @param {Tile} tile */
const likely = ({ hits: [best] }) => best.probability !== null && best.probability >= LIKELY

/** @param {Tile} tile */
function tileNode(tile, index) {
  const best = tile.hits[0]
  const caption = make('span', { class: 'caption' }, pathLabel(best.path), movedNode(best), make('span', {
    class: 'rating', title: best.probability === null ? 'score' : `chance that this is it; score ${best.score.toFixed(2)}`,
  }, rating(best)))
  const link = make('a', {
    class: 'tile', href: addressOf(wish, best.image_id), tabindex: index === focusIndex ? '0' : '-1',
    'data-index': index, draggable: 'false',
  }, tile.boxed ? cropFrame(best) : pictureFrame(tile.hits), caption)
  const item = make('li', { class: likely(tile) ? 'item likely' : 'item' }, link)
  item.style.setProperty('--ratio', clamp(ratioOf(tile), 0.5, 4).toFixed(4))
  return item
}

/** How far the stages moved a hit up or down. @param {Hit} hit */
function movedNode(hit) {
  const notes = Object.values(hit.stages).filter((note) => note.place_before)
  const rise = notes.length ? notes[0].place_before - notes[notes.length - 1].place : 0
  if (!rise) return null
  const text = `${rise > 0 ? 'up' : 'down'} ${counted(Math.abs(rise), 'place')}`
  return make('span', { class: 'moved', title: `${text}. ${stagesTold(hit).join('. ')}` },
    make('span', { 'aria-hidden': 'true' }, `${rise > 0 ? '↑' : '↓'}${Math.abs(rise)}`), make('span', { class: 'visually-hidden' }, text))
}

/** What each stage did with a hit, in a few words each. @param {Hit} hit */
function stagesTold(hit) {
  return Object.entries(hit.stages).map(([name, note]) => {
    const said = []
    if (note.place_before) said.push(note.place_before === note.place ? `place ${note.place} kept` : `place ${note.place_before} → ${note.place}`)
    if (note.position) said.push(note.position)
    if (note.box_before) said.push('box fitted')
    if (note.found !== undefined) said.push(note.found ? 'mask found' : 'no mask')
    if (note.why ?? note.error) said.push(note.why ?? note.error)
    return `${name}: ${said.join(', ') || 'done'}`
  })
}

/** The box as the index has it: a stage may have changed the one that is shown. @param {Hit} hit @returns {Box} */
const storedBox = (hit) => Object.values(hit.stages).find((note) => note.box_before)?.box_before ?? hit.box

/** The part of the picture that a single box is shown in, as the service cuts it out. @param {Hit} hit @returns {Box} */
function surroundings(hit) {
  const { width, height } = hit
  const [x0, y0, x1, y1] = storedBox(hit)
  const [dx, dy] = [CROP_MARGIN * (x1 - x0), CROP_MARGIN * (y1 - y0)]
  return [Math.max(x0 - dx, 0), Math.max(y0 - dy, 0), Math.min(x1 + dx, width), Math.min(y1 + dy, height)]
}

/** Width over height. @param {Tile} tile */
function ratioOf({ hits: [hit], boxed }) {
  const [x0, y0, x1, y1] = boxed ? surroundings(hit) : [0, 0, hit.width, hit.height]
  return Math.max(x1 - x0, 1) / Math.max(y1 - y0, 1)
}

/** An image that fades in, and is asked for again when the service was too busy to make it. */
function pictureNode(attributes) {
  const image = make('img', { loading: 'lazy', decoding: 'async', draggable: 'false', ...attributes })
  let attempts = 0
  image.addEventListener('load', () => image.classList.add('loaded'))
  image.addEventListener('error', () => {
    if (++attempts > 3) return image.closest('.picture')?.classList.add('broken')
    const { src, srcset } = image
    setTimeout(() => Object.assign(image, { srcset, src }), 700 * attempts)
  })
  return image
}

/** The whole picture with its boxes; its place is kept before the pixels are there. @param {Hit[]} hits */
function pictureFrame(hits) {
  const { image_id: id, width, height } = hits[0]
  const sides = THUMBNAIL_SIDES.filter((side, at) => at === 0 || THUMBNAIL_SIDES[at - 1] < Math.max(width, height)).slice(0, 4)
  const widthAt = (side) => Math.max(1, Math.round((width * Math.min(side, Math.max(width, height))) / Math.max(width, height)))
  const frame = make('span', { class: `frame${width / height < 0.5 ? ' tall' : ''}` }, pictureNode({
    alt: `Match ${place(hits[0])}`, width, height,
    sizes: 'auto, 50vw', srcset: sides.map((side) => `${thumbnail(id, side)} ${widthAt(side)}w`).join(', '),
    src: thumbnail(id, 320),
  }))
  frame.style.setProperty('--exact', String(width / height))
  frame.append(...hits.flatMap((hit, at) => overlays(hit, at === 0)).reverse())
  // The best box is drawn last, above the others.
  frame.append(...hits.map((hit, at) => putAt(
    make('span', { class: at ? 'box other' : 'box best', 'data-instance': hit.instance_id }), hit.box, width, height)).reverse())
  return make('span', { class: 'picture' }, frame)
}

/** A single box with a little of what is around it. @param {Hit} hit */
function cropFrame(hit) {
  const [left, top, right, bottom] = surroundings(hit)
  const [x0, y0, x1, y1] = hit.box
  const mark = make('span', { class: 'box best', 'data-instance': hit.instance_id })
  return make('span', { class: 'picture' }, make('span', { class: 'frame region' }, pictureNode({
    alt: `Match ${place(hit)}`, src: cropOf(hit.instance_id, 320, CROP_MARGIN),
  }), ...overlays(hit, true, [left, top, right, bottom]), putAt(mark, [x0 - left, y0 - top, x1 - left, y1 - top], right - left, bottom - top)))
}

// ---------------------------------------------------------------------------------------------- masks and ellipses

/** The mask of a hit, and the ellipse that a stage drew, over a part of the picture. @param {Hit} hit @param {Box} [part] */
function overlays(hit, best, part = [0, 0, hit.width, hit.height], side = MASK_SIDE) {
  const ellipse = Object.values(hit.stages).map((note) => note.ellipse).filter(Boolean).pop()
  return [hit.mask ? maskNode(hit.mask, best, part, side) : null, ellipse ? ellipseNode(ellipse, part) : null].filter(Boolean)
}

/** @param {Mask} mask @param {Box} part */
function maskNode(mask, best, part, side) {
  const [left, top, right, bottom] = part
  const scale = Math.min(1, side / Math.max(right - left, bottom - top))
  const canvas = make('canvas', { class: 'mask', 'aria-hidden': 'true' })
  canvas.width = Math.max(1, Math.round((right - left) * scale))
  canvas.height = Math.max(1, Math.round((bottom - top) * scale))
  const pen = canvas.getContext('2d')
  const pixels = pen.createImageData(canvas.width, canvas.height)
  const [height, width] = mask.size
  const ends = runEnds(mask.counts)
  const [red, green, blue, alpha] = best ? MASK_COLOURS.best : MASK_COLOURS.other
  let run = 0
  for (let x = 0; x < canvas.width; x += 1) {
    const column = clamp(Math.floor(left + (x + 0.5) / scale), 0, width - 1)
    for (let y = 0; y < canvas.height; y += 1) {
      const at = column * height + clamp(Math.floor(top + (y + 0.5) / scale), 0, height - 1)
      while (run < ends.length - 1 && ends[run] <= at) run += 1
      if (run % 2 === 0) continue // odd runs are the thing
      const pixel = 4 * (y * canvas.width + x)
      pixels.data[pixel] = red
      pixels.data[pixel + 1] = green
      pixels.data[pixel + 2] = blue
      pixels.data[pixel + 3] = alpha
    }
  }
  pen.putImageData(pixels, 0, 0)
  return canvas
}

/** Where each run of COCO's compressed run lengths ends, column by column: five bits a letter, differences from the last
 * but one. @param {string} counts */
function runEnds(counts) {
  const ends = []
  const lengths = []
  let end = 0
  for (let at = 0; at < counts.length;) {
    let length = 0
    let bits = 0
    let shift = 0
    do {
      bits = counts.charCodeAt(at) - 48
      at += 1
      length |= (bits & 31) << shift
      shift += 5
    } while (bits & 32)
    if (bits & 16) length |= -1 << shift
    if (lengths.length > 2) length += lengths[lengths.length - 2]
    lengths.push(length)
    end += length
    ends.push(end)
  }
  return ends
}

/** @param {{centre: [number, number], axes: [number, number], angle: number}} ellipse @param {Box} part */
function ellipseNode({ centre: [x, y], axes: [a, b], angle }, [left, top, right, bottom]) {
  const node = make('span', { class: 'ellipse', 'aria-hidden': 'true' })
  node.style.transform = `rotate(${angle}rad)`
  return putAt(node, [x - a - left, y - b - top, x + a - left, y + b - top], right - left, bottom - top)
}

// ------------------------------------------------------------------------------------------------ welcome and figures

async function welcome() {
  showOnly('welcome')
  $('welcome-counts').textContent = ''
  await refreshStats()
  if (!stats || wish.query) return
  $('welcome-counts').textContent = stats.instances
    ? `${counted(stats.instances, 'object')} in ${counted(stats.images, 'picture')}`
    : EMPTY_GALLERY
  $('examples-title').hidden = !stats.instances
  if ($('examples').dataset.snapshot === String(stats.snapshot) || !stats.instances) return
  $('examples').dataset.snapshot = stats.snapshot
  const sentences = EXAMPLES[stats.model.name] ?? EXAMPLES.other
  const cards = sentences.map((sentence) => exampleCard(sentence))
  $('examples').replaceChildren(...cards)
  const found = await call('v1/search', { json: { expression: sentences, top: 1, boxes_per_image: 1 } }).catch(() => null)
  found?.results.forEach((answer, at) => showExample(cards[at], answer))
}

function exampleCard(sentence) {
  const address = addressOf({ ...wish, query: { kind: 'text', text: sentence } })
  return make('li', {}, make('a', {
    class: 'sample', href: address,
    onclick: (event) => {
      if (opensElsewhere(event)) return
      event.preventDefault()
      ask({ query: { kind: 'text', text: sentence } })
      $('query').focus()
    },
  }, make('span', { class: 'sample-picture' }), make('span', { class: 'sample-text' }, sentence)))
}

/** What the sentence of a card finds, seen closely. @param {Answer} answer */
function showExample(card, answer) {
  const [hit] = answer.hits
  if (!hit || answer.no_match) return
  const image = pictureNode({ alt: '', src: cropOf(hit.instance_id, 320, 0.4) })
  card.querySelector('.sample-picture').append(image)
}

let statsUnderWay = null

/** Brings the figures of the gallery up to date, if they are of another snapshot than the given one. */
async function refreshStats(snapshot = null) {
  if (stats && snapshot === stats.snapshot) return
  try {
    statsUnderWay ??= call('v1/stats')
    stats = await statsUnderWay
  } catch (error) {
    if (!wish.query) showFailure(error)
    return
  } finally {
    statsUnderWay = null
  }
  $('notice').hidden = !stats.model.notice
  $('notice-text').textContent = stats.model.notice ?? ''
  $('foot-model').textContent = ` · ${stats.model.name} · snapshot ${stats.snapshot}`
  $('sign-out').hidden = !stats.access?.key_required
  offerStages()
}

// ---------------------------------------------------------------------------------------------------------- controls

/** Search box, example, chips and filters as the wish has them. */
function showControls({ keepText = false } = {}) {
  const { query } = wish
  if (!keepText) $('query').value = query?.kind === 'text' ? query.text : ''
  const example = query && query.kind !== 'text'
  $('example').hidden = !example
  $('query').placeholder = example ? 'or describe one thing' : $('query').dataset.placeholder
  if (example) {
    const crop = query.kind === 'crop' ? crops.get(query.key)?.url : cropOf(query.id, 160, 0.1)
    $('example-image').hidden = !crop
    if (crop) $('example-image').src = crop
    $('example-text').textContent = query.kind === 'crop' ? 'Your picture' : 'Like this'
  }
  $('clear').hidden = !$('query').value && !example
  document.title = query?.kind === 'text' ? `${query.text} · reir` : example ? 'More like this · reir' : 'reir'
  showFilters()
}

/** The stages that the service offers, to choose from. */
function offerStages() {
  const of = (kind) => (stats.stages ?? []).filter((stage) => stage.kind === kind)
  $('stages-rerank').replaceChildren($('stages-rerank').firstElementChild, ...of('rerank').map((stage) => make('label', { title: stage.summary },
    make('input', { type: 'checkbox', name: 'rerank', value: stage.name }), make('span', {}, stage.name))))
  for (const [kind, none] of [['refine', 'as found'], ['mask', 'none']]) {
    const choice = $('filters-form').elements[kind]
    choice.replaceChildren(make('option', { value: '' }, none), ...of(kind).map((stage) => make('option', { value: stage.name, title: stage.summary }, stage.name)))
    $(`stages-${kind}`).hidden = !of(kind).length
  }
  $('stages-rerank').hidden = !of('rerank').length
  $('stages').hidden = !stats.stages?.length
  showStages()
}

function showStages() {
  const form = $('filters-form')
  const chosen = wish.stages.rerank.split(',')
  for (const box of form.querySelectorAll('[name=rerank]')) box.checked = chosen.includes(box.value)
  for (const kind of ['refine', 'mask']) if (form.elements[kind].value !== wish.stages[kind]) form.elements[kind].value = wish.stages[kind]
}

/** The stages as the form has them: those that rank anew in the order in which they were chosen. */
function readStages() {
  const form = $('filters-form')
  const ticked = [...form.querySelectorAll('[name=rerank]:checked')].map((box) => box.value)
  const before = wish.stages.rerank.split(',').filter((name) => ticked.includes(name))
  const rerank = [...before, ...ticked.filter((name) => !before.includes(name))].join(',')
  return { rerank, refine: form.elements.refine.value, mask: form.elements.mask.value }
}

function showFilters() {
  const form = $('filters-form')
  showStages()
  for (const [name, value] of Object.entries(wish.filters)) if (form.elements[name].value !== value) form.elements[name].value = value
  form.elements.show.value = wish.boxes ? 'none' : 'image'
  const { path, after, before, min } = wish.filters
  const active = [
    path && ['path', `path ${path}…`], after && ['after', `from ${after}`], before && ['before', `before ${before}`],
    min && ['min', `score ${min} or more`], wish.boxes && ['boxes', 'single boxes'],
    ...wish.stages.rerank.split(',').map((name) => name && [`rerank ${name}`, `rank anew: ${name}`]),
    wish.stages.refine && ['refine', `boxes: ${wish.stages.refine}`], wish.stages.mask && ['mask', `masks: ${wish.stages.mask}`],
  ].filter(Boolean)
  $('chips').hidden = !active.length
  $('chips').replaceChildren(...active.map(([name, text]) => make('li', {}, make('button', {
    type: 'button', class: 'chip', 'aria-label': `Remove the filter: ${text}`, onclick: () => removeFilter(name),
  }, text, icon('close')))))
  $('filters-count').hidden = !active.length
  $('filters-count').textContent = String(active.length)
  $('filters-toggle').setAttribute('aria-label', active.length ? `Filters, ${active.length} active` : 'Filters')
}

function removeFilter(name) {
  if (name === 'boxes') ask({ boxes: false })
  else if (name in NO_STAGES) ask({ stages: { ...wish.stages, [name]: '' } })
  else if (name.startsWith('rerank ')) {
    const left = wish.stages.rerank.split(',').filter((stage) => `rerank ${stage}` !== name)
    ask({ stages: { ...wish.stages, rerank: left.join(',') } })
  } else ask({ filters: { ...wish.filters, [name]: '' } })
  const left = $('chips').querySelector('button')
  if (left) left.focus()
  else $('filters-toggle').focus()
}

function readFilters(typed) {
  const form = $('filters-form')
  const filters = Object.fromEntries(Object.keys(NO_FILTERS).map((name) => [name, form.elements[name].value.trim()]))
  ask({ filters: /** @type {Filters} */ (filters), boxes: form.elements.show.value === 'none', stages: readStages() }, { typed })
}

function toggleFilters(open = $('filters').hidden) {
  $('filters').hidden = !open
  $('filters-toggle').setAttribute('aria-expanded', String(open))
  if (open) $('filters-form').elements.path.focus()
}

function readText({ typed }) {
  const text = $('query').value.trim().replace(/\s+/g, ' ')
  $('clear').hidden = !$('query').value && !(wish.query && wish.query.kind !== 'text')
  if (text) ask({ query: { kind: 'text', text } }, { typed })
  else if (wish.query?.kind === 'text') ask({ query: null }, { typed, now: true })
}

function clearQuery() {
  $('query').value = ''
  ask({ query: null })
  $('query').focus()
}

const opensElsewhere = (event) => event.metaKey || event.ctrlKey || event.shiftKey || event.button > 0

function listenToControls() {
  $('query').dataset.placeholder = $('query').placeholder
  $('query').addEventListener('input', (event) => { if (!event.isComposing) readText({ typed: true }) })
  $('query').addEventListener('compositionend', () => readText({ typed: true }))
  $('query').addEventListener('blur', () => { typing = false })
  $('query').addEventListener('keydown', (event) => {
    if (event.key === 'Backspace' && !$('query').value && !$('example').hidden) clearQuery()
    if (event.key === 'Escape' && ($('query').value || wish.query)) clearQuery()
    if (event.key === 'ArrowDown' && shown.tiles.length) {
      event.preventDefault()
      focusTile(focusIndex)
    }
  })
  $('search').addEventListener('submit', (event) => {
    event.preventDefault()
    readText({ typed: false })
  })
  $('clear').addEventListener('click', clearQuery)
  $('example-remove').addEventListener('click', clearQuery)
  $('filters-toggle').addEventListener('click', () => toggleFilters())
  $('filters-form').addEventListener('submit', (event) => event.preventDefault())
  $('filters-form').addEventListener('input', () => readFilters(true))
  $('filters-form').addEventListener('change', () => { typing = false })
  $('nothing-clear').addEventListener('click', () => ask({ filters: { ...NO_FILTERS } }))
  $('theme').addEventListener('click', nextTheme)
  $('help').addEventListener('click', () => $('keys').showModal())
  $('keys-close').addEventListener('click', () => $('keys').close())
  $('retry').addEventListener('click', () => { retries = 0; search() })
  $('more').addEventListener('click', () => (shown.cursor ? more() : search()))
  document.querySelector('.brand a').addEventListener('click', (event) => {
    if (opensElsewhere(event)) return
    event.preventDefault()
    toggleFilters(false)
    $('query').value = ''
    ask({ query: null, filters: { ...NO_FILTERS }, boxes: false, stages: { ...NO_STAGES } })
  })
}

// ------------------------------------------------------------------------------------------------- moving in the grid

const tileLink = (index) => $('grid').querySelector(`[data-index="${index}"]`)

/** Roving focus: one tile is in the tab order, the one that was last used. */
function focusTile(index, { focus = true } = {}) {
  const link = tileLink(clamp(index, 0, shown.tiles.length - 1))
  if (!link) return
  tileLink(focusIndex)?.setAttribute('tabindex', '-1')
  focusIndex = Number(link.dataset.index)
  link.setAttribute('tabindex', '0')
  if (focus) link.focus()
  if (focusIndex > shown.tiles.length - 8) more()
}

/** The tile of the next row, up or down, that lies nearest. */
function neighbour(index, direction) {
  const here = tileLink(index).getBoundingClientRect()
  const middle = here.left + here.width / 2
  let best = index
  let bestDistance = Infinity
  let row = null
  for (let at = index + direction; at >= 0 && at < shown.tiles.length; at += direction) {
    const { top, left, width } = tileLink(at).getBoundingClientRect()
    if (Math.abs(top - here.top) < 2) continue
    row ??= top
    if (Math.abs(top - row) > 2) break
    const distance = Math.abs(left + width / 2 - middle)
    if (distance < bestDistance) [best, bestDistance] = [at, distance]
  }
  return best
}

function moveInGrid(event) {
  const at = Number(event.target.closest('.tile')?.dataset.index ?? NaN)
  if (Number.isNaN(at) || opensElsewhere(event)) return
  const goals = {
    ArrowRight: () => at + 1, ArrowLeft: () => at - 1, ArrowDown: () => neighbour(at, 1), ArrowUp: () => neighbour(at, -1),
    Home: () => 0, End: () => shown.tiles.length - 1,
  }
  const goal = goals[event.key]?.()
  if (goal === undefined) return
  event.preventDefault()
  if (event.key === 'ArrowUp' && goal === at) $('query').focus()
  else focusTile(goal)
}

function listenToGrid() {
  $('grid').addEventListener('keydown', moveInGrid)
  $('grid').addEventListener('click', (event) => {
    const link = event.target.closest('.tile')
    if (!link || opensElsewhere(event)) return
    event.preventDefault()
    focusTile(Number(link.dataset.index), { focus: false })
    openTile(Number(link.dataset.index))
  })
  new IntersectionObserver(fillScreen, { rootMargin: `${AHEAD}px` }).observe($('end'))
}

// -------------------------------------------------------------------------------------------------------- large view

/** The picture in the large view; `chosen` is the instance that stands out. */
const view = { imageId: 0, index: -1, chosen: null, /** @type {Map<number, {box: Box}>} */ things: new Map(), width: 1, height: 1 }

/** @param {number} index @param {'push'|'replace'} [mode] */
function openTile(index, mode = 'push') {
  const { hits } = shown.tiles[index]
  openView(hits[0].image_id, { history: mode, index, chosen: hits[0].instance_id })
}

/** @param {number} imageId @param {{history?: 'push'|'replace'|false, index?: number, chosen?: number|null}} [how] */
async function openView(imageId, { history: mode = false, index, chosen = null } = {}) {
  typing = false
  const at = index ?? shown.tiles.findIndex((tile) => tile.hits[0].image_id === imageId)
  if ($('view').open && view.imageId === imageId && view.index === at) return
  Object.assign(view, { imageId, index: at, chosen: null, things: new Map() })
  if (mode === 'push') history.pushState({ opened: true }, '', addressOf(wish, imageId))
  if (mode === 'replace') history.replaceState(history.state, '', addressOf(wish, imageId))
  const hits = shown.tiles.flatMap((tile) => tile.hits).filter((hit) => hit.image_id === imageId)
  if (hits.length) showPicture(hits[0], hits, [])
  else clearView()
  if (!$('view').open) $('view').showModal()
  choose(chosen ?? hits[0]?.instance_id ?? null)
  try {
    const picture = await call(`v1/images/${imageId}`)
    if (view.imageId !== imageId) return
    const found = new Set(hits.map((hit) => hit.instance_id))
    showPicture(picture, hits, picture.instances.filter((thing) => !found.has(thing.instance_id)))
    choose(view.chosen)
  } catch (error) {
    if (view.imageId !== imageId) return
    $('view-problem').textContent = error.message
    $('view-problem').hidden = false
  }
}

function clearView() {
  for (const id of ['view-boxes', 'view-hits', 'view-others', 'view-title', 'view-facts']) $(id).replaceChildren()
  $('view-image').removeAttribute('src')
  $('view-hits-part').hidden = true
  $('view-others-part').hidden = true
}

/** @param {Picture|Hit} picture @param {Hit[]} hits @param {{instance_id: number, box: Box, objectness: number}[]} others */
function showPicture(picture, hits, others) {
  const { width, height, path, image_id: id } = picture
  Object.assign(view, { width, height, things: new Map([...hits, ...others].map((thing) => [thing.instance_id, thing])) })
  $('view').style.setProperty('--ratio', String(width / height))
  $('view').style.setProperty('--natural', `${width}px`)
  showPixels(id, Math.max(width, height))
  $('view-image').alt = hits.length ? `${path}: match ${place(hits[0])}` : path
  $('view-title').replaceChildren(pathLabel(path))
  $('view-facts').textContent = facts(picture)
  $('view-problem').hidden = true
  $('view-boxes').replaceChildren(
    ...hits.flatMap((hit, at) => overlays(hit, at === 0, undefined, LARGE_MASK_SIDE)).reverse(),
    ...others.map((thing) => boxNode(thing, 'box other')), ...hits.map((hit) => boxNode(hit, 'box hit')).reverse())
  $('view-hits').replaceChildren(...hits.map((hit) => thingNode(hit, rating(hit), hit.probability === null ? 'score' : `score ${hit.score.toFixed(2)}`, stagesTold(hit))))
  $('view-others').replaceChildren(...others.map((thing) => thingNode(thing, '', `object ${Math.round(100 * thing.objectness)}%`)))
  $('view-hits-part').hidden = !hits.length
  $('view-others-part').hidden = !others.length
  $('view-others-title').textContent = hits.length ? 'Also in this picture' : 'In this picture'
  const ids = (hits.length ? hits : others).map((thing) => `instance_id=${thing.instance_id}`)
  $('view-annotated').href = `v1/images/${id}/annotated?side=2048&${ids.join('&')}`
  $('view-previous').disabled = view.index <= 0
  $('view-next').disabled = view.index < 0 || (view.index >= shown.tiles.length - 1 && !shown.cursor)
}

/** The small picture at once (the grid has it already), the large one as soon as it is there. */
function showPixels(id, longer) {
  const image = $('view-image')
  if (image.dataset.id === String(id)) return
  image.dataset.id = id
  image.src = tileLink(view.index)?.querySelector('.frame:not(.region) img')?.currentSrc || thumbnail(id, 320)
  const large = new Image()
  const wanted = Math.min(longer, Math.max(innerWidth, innerHeight) * Math.min(devicePixelRatio, 2))
  large.src = thumbnail(id, THUMBNAIL_SIDES.find((side) => side >= wanted) ?? 2048)
  large.decode().then(() => { if (image.dataset.id === String(id)) image.src = large.src }, () => {})
}

/** @param {Partial<Picture>} picture */
function facts({ width, height, taken_at: taken, latitude, longitude }) {
  const parts = [`${number(width)} × ${number(height)}`]
  if (taken) {
    parts.push(new Date(taken).toLocaleString('en-GB', { day: 'numeric', month: 'long', year: 'numeric', hour: '2-digit', minute: '2-digit' }))
  }
  if (typeof latitude === 'number' && typeof longitude === 'number') parts.push(`${latitude.toFixed(4)}, ${longitude.toFixed(4)}`)
  return parts.join(' · ')
}

function boxNode(thing, kind) {
  const node = make('div', {
    class: kind, 'data-instance': thing.instance_id,
    onclick: () => { choose(thing.instance_id); rowOf(thing.instance_id)?.scrollIntoView({ block: 'nearest' }) },
    onpointerenter: () => point(thing.instance_id, true), onpointerleave: () => point(thing.instance_id, false),
  })
  const [x0, y0, x1, y1] = thing.box
  node.style.zIndex = String(clamp(Math.round(1000 - (999 * (x1 - x0) * (y1 - y0)) / (view.width * view.height)), 1, 1000))
  return putAt(node, thing.box, view.width, view.height)
}

/** A row of the panel: what it looks like, how well it fits, and the way on from it. */
function thingNode(thing, value, note, told = []) {
  const id = thing.instance_id
  return make('li', {
    class: 'thing', 'data-instance': id,
    onpointerenter: () => point(id, true), onpointerleave: () => point(id, false),
    onfocusin: () => { choose(id); point(id, true) }, onfocusout: () => point(id, false), onclick: () => choose(id),
  },
  pictureNode({ alt: '', width: 52, height: 52, src: cropOf(id, 160, 0.1) }),
  make('span', { class: 'thing-text' }, value ? make('strong', {}, value) : null, make('span', {}, note)),
  make('button', {
    type: 'button', class: 'alike', onclick: () => moreLike(id),
    'aria-label': `More like this: ${place({ ...thing, width: view.width, height: view.height })}`,
  }, icon('alike'), 'More like this'),
  told.length ? make('span', { class: 'told' }, told.join(' · ')) : null)
}

const rowOf = (id) => $('panel').querySelector(`.thing[data-instance="${id}"]`)
const markOf = (id) => $('view-boxes').querySelector(`[data-instance="${id}"]`)

function point(id, on) {
  markOf(id)?.classList.toggle('pointed', on)
  rowOf(id)?.classList.toggle('pointed', on)
}

/** Makes one box the chosen one: it stands out and carries the button. */
function choose(id) {
  view.chosen = id
  for (const node of $('view').querySelectorAll('.chosen')) node.classList.remove('chosen')
  const thing = view.things.get(id)
  $('view-alike').hidden = !thing
  if (!thing) return
  markOf(id)?.classList.add('chosen')
  rowOf(id)?.classList.add('chosen')
  const [x0, , , y1] = thing.box
  const button = $('view-alike')
  const low = y1 / view.height > 0.88
  button.classList.toggle('inside', low)
  button.style.left = `${(100 * clamp(x0 / view.width, 0, 0.7)).toFixed(2)}%`
  button.style.top = `${((100 * y1) / view.height).toFixed(2)}%`
}

function moreLike(id) {
  ask({ query: { kind: 'like', id } })
  $('view').close()
  // Not where the focus would bring up a keyboard over the results.
  if (matchMedia('(hover: hover)').matches) $('query').focus({ preventScroll: true })
  else $('main').focus({ preventScroll: true })
}

async function turn(step) {
  if (view.index < 0) return
  const goal = view.index + step
  if (goal >= shown.tiles.length) await (shown.coming ?? more())
  if (!$('view').open || goal < 0 || goal >= shown.tiles.length) return
  focusTile(goal, { focus: false })
  openTile(goal, 'replace')
}

function leaveView() {
  $('view-image').removeAttribute('data-id')
  view.imageId = 0
  if (new URLSearchParams(location.search).has('image')) {
    if (history.state?.opened) history.back()
    else history.replaceState(null, '', addressOf(wish))
  }
  if (keyOf(wish) === shown.key) tileLink(focusIndex)?.focus()
}

function listenToView() {
  $('view').addEventListener('close', leaveView)
  $('view-close').addEventListener('click', () => $('view').close())
  $('view-previous').addEventListener('click', () => turn(-1))
  $('view-next').addEventListener('click', () => turn(1))
  $('view-alike').addEventListener('click', () => moreLike(view.chosen))
  $('view-all').addEventListener('change', () => $('view-boxes').classList.toggle('hits-only', !$('view-all').checked))
  $('view').addEventListener('keydown', (event) => {
    if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
      event.preventDefault()
      turn(event.key === 'ArrowLeft' ? -1 : 1)
    }
    if (event.key === 'm' && view.chosen !== null && !opensElsewhere(event)) {
      event.preventDefault() // or it would be typed into the search box
      moreLike(view.chosen)
    }
  })
  let start = null
  $('stage').addEventListener('touchstart', (event) => { start = event.touches.length === 1 ? event.touches[0] : null }, { passive: true })
  $('stage').addEventListener('touchend', (event) => {
    if (!start) return
    const [dx, dy] = [event.changedTouches[0].clientX - start.clientX, event.changedTouches[0].clientY - start.clientY]
    if (Math.abs(dx) > 50 && Math.abs(dx) > 2 * Math.abs(dy)) turn(dx > 0 ? -1 : 1)
  })
}

// ------------------------------------------------------------------------------------------------ picture as question

/** The picture that is being cropped; `area` is the chosen part, in shares of it, or null for all of it. */
const cropping = { /** @type {ImageBitmap|null} */ bitmap: null, url: '', area: null }

/** @param {File|Blob|null|undefined} file */
async function takePicture(file) {
  if (!file || $('key').open) return
  if (file.type && !file.type.startsWith('image/')) return toast('That is not a picture.')
  let bitmap
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' })
  } catch {
    // The service may read what this browser cannot (HEIC, for one).
    return searchWith(file)
  }
  for (const dialog of document.querySelectorAll('dialog')) if (dialog.open) dialog.close()
  Object.assign(cropping, { bitmap, url: URL.createObjectURL(file), area: null })
  $('crop-image').src = cropping.url
  $('crop-frame').style.setProperty('--ratio', String(bitmap.width / bitmap.height))
  showArea()
  $('crop').showModal()
  $('crop-search').focus()
}

function searchWith(blob) {
  const key = Math.random().toString(36).slice(2, 10)
  crops.set(key, { blob, url: URL.createObjectURL(blob) })
  ask({ query: { kind: 'crop', key } })
}

function showArea() {
  const [x0, y0, x1, y1] = cropping.area ?? [0, 0, 1, 1]
  putAt($('crop-area'), [x0, y0, x1, y1], 1, 1)
  $('crop-whole').disabled = !cropping.area
  $('crop-search').textContent = cropping.area ? 'Search with this part' : 'Search with the whole picture'
}

/** The chosen part in its own pixels, no larger than the service has use for. */
function cutOut() {
  const { bitmap, area } = cropping
  const [x0, y0, x1, y1] = area ?? [0, 0, 1, 1]
  const [width, height] = [Math.max(1, (x1 - x0) * bitmap.width), Math.max(1, (y1 - y0) * bitmap.height)]
  const scale = Math.min(1, UPLOAD_SIDE / Math.max(width, height))
  const canvas = make('canvas')
  canvas.width = Math.max(1, Math.round(width * scale))
  canvas.height = Math.max(1, Math.round(height * scale))
  const pen = canvas.getContext('2d')
  pen.fillStyle = '#fff' // JPEG has no transparency
  pen.fillRect(0, 0, canvas.width, canvas.height)
  pen.drawImage(bitmap, x0 * bitmap.width, y0 * bitmap.height, width, height, 0, 0, canvas.width, canvas.height)
  return new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.92))
}

function drawArea(down) {
  if (down.button > 0) return
  down.preventDefault()
  const frame = $('crop-frame')
  const edges = frame.getBoundingClientRect()
  const at = (event) => [clamp((event.clientX - edges.left) / edges.width, 0, 1), clamp((event.clientY - edges.top) / edges.height, 0, 1)]
  const [startX, startY] = at(down)
  frame.setPointerCapture(down.pointerId)
  const move = (event) => {
    const [x, y] = at(event)
    const area = [Math.min(startX, x), Math.min(startY, y), Math.max(startX, x), Math.max(startY, y)]
    const large = (area[2] - area[0]) * edges.width > 8 && (area[3] - area[1]) * edges.height > 8
    cropping.area = large ? area : null
    showArea()
  }
  frame.addEventListener('pointermove', move)
  frame.addEventListener('lostpointercapture', () => frame.removeEventListener('pointermove', move), { once: true })
}

function moveArea(event) {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }
  const step = steps[event.key]
  if (!step) return
  event.preventDefault()
  const [x0, y0, x1, y1] = cropping.area ?? [0.2, 0.2, 0.8, 0.8]
  const [dx, dy] = step.map((one) => one * 0.02)
  if (event.shiftKey) {
    cropping.area = [x0, y0, clamp(x1 + dx, x0 + 0.04, 1), clamp(y1 + dy, y0 + 0.04, 1)]
  } else {
    const [sx, sy] = [clamp(dx, -x0, 1 - x1), clamp(dy, -y0, 1 - y1)]
    cropping.area = [x0 + sx, y0 + sy, x1 + sx, y1 + sy]
  }
  showArea()
}

function listenToPictures() {
  $('upload').addEventListener('click', () => $('file').click())
  $('file').addEventListener('change', () => { takePicture($('file').files[0]); $('file').value = '' })
  document.addEventListener('paste', (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((item) => item.type.startsWith('image/'))
    if (!file) return
    event.preventDefault()
    takePicture(file)
  })
  const holdsFiles = (event) => event.dataTransfer?.types.includes('Files')
  let depth = 0
  const show = (change) => { depth = Math.max(0, depth + change); $('drop').hidden = !depth }
  addEventListener('dragenter', (event) => { if (holdsFiles(event)) show(1) })
  addEventListener('dragleave', (event) => { if (holdsFiles(event)) show(-1) })
  addEventListener('dragover', (event) => { if (holdsFiles(event)) event.preventDefault() })
  addEventListener('drop', (event) => {
    if (!holdsFiles(event)) return
    event.preventDefault()
    show(-depth)
    takePicture(event.dataTransfer.files[0])
  })
  $('crop-frame').addEventListener('pointerdown', drawArea)
  $('crop-area').addEventListener('keydown', moveArea)
  $('crop-whole').addEventListener('click', () => { cropping.area = null; showArea() })
  $('crop-cancel').addEventListener('click', () => $('crop').close())
  $('crop').addEventListener('close', () => { URL.revokeObjectURL(cropping.url); cropping.bitmap?.close(); cropping.bitmap = null })
  $('crop-search').addEventListener('click', async () => {
    const blob = await cutOut()
    $('crop').close()
    searchWith(blob)
  })
}

// ---------------------------------------------------------------------------------------------------------------- key

/** @type {Promise<void>|null} */
let unlocking = null

/** Resolves when a key was accepted; several callers wait for one form. */
function askForKey() {
  unlocking ??= new Promise((done) => {
    $('key').showModal()
    $('key-form').onsubmit = async (event) => {
      event.preventDefault()
      try {
        await call('v1/session', { json: { api_key: $('key-input').value } })
      } catch (error) {
        $('key-problem').textContent = error.status === 401 ? 'This key is not known here.' : error.message
        $('key-problem').hidden = false
        $('key-input').select()
        return
      }
      $('key-input').value = ''
      $('key-problem').hidden = true
      unlocking = null
      $('key').close()
      done()
    }
  })
  return unlocking
}

function listenToKey() {
  $('key').addEventListener('cancel', (event) => event.preventDefault())
  $('sign-out').addEventListener('click', async () => {
    await call('v1/session', { method: 'DELETE' })
    location.assign('./')
  })
}

// -------------------------------------------------------------------------------------------------------------- start

function listenToKeys(event) {
  const writing = event.target.matches?.('input:not([type=radio], [type=checkbox]), textarea')
  if (writing || event.metaKey || event.ctrlKey || event.altKey || document.querySelector('dialog[open]')) return
  const actions = {
    '/': () => { $('query').focus(); $('query').select() },
    '?': () => $('keys').showModal(),
    f: () => toggleFilters(),
    t: nextTheme,
  }
  const action = actions[event.key]
  if (!action) return
  event.preventDefault()
  action()
}

document.addEventListener('DOMContentLoaded', () => {
  applyTheme(storedTheme())
  listenToControls()
  listenToGrid()
  listenToView()
  listenToPictures()
  listenToKey()
  document.addEventListener('keydown', listenToKeys)
  addEventListener('popstate', followAddress)
  addEventListener('scroll', () => document.body.classList.toggle('scrolled', scrollY > 4), { passive: true })
  followAddress()
  if (matchMedia('(hover: hover)').matches && !wish.query) $('query').focus()
})
