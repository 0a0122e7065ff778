/* page.js: builds the report page from the run's record (docs/record.md).
 * Everything that comes from the record is put in as text, never as markup. */
'use strict';

let record = null;
try {
  record = JSON.parse(document.getElementById('record').textContent);
} catch (e) {
  record = null;
}
const main = document.getElementById('main');

/* el('p.note#id', {attr: value}, child, ...): children are nodes, text or null */
function el(what, ...rest) {
  const [, tag, tail] = /^([a-z0-9]*)(.*)$/.exec(what);
  const node = document.createElement(tag || 'div');
  for (const part of tail.match(/[.#][^.#]+/g) || [])
    if (part[0] === '#') node.id = part.slice(1);
    else node.classList.add(part.slice(1));
  for (const item of rest.flat()) {
    if (item === null || item === undefined || item === false) continue;
    if (typeof item === 'object' && !(item instanceof Node))
      for (const [name, value] of Object.entries(item)) node.setAttribute(name, value);
    else node.append(item);
  }
  return node;
}
const put = (...nodes) => main.append(...nodes.filter(Boolean));
const card = (title, lead, ...body) =>
  el('section.card', el('h2', title), lead && el('p.lead', lead), ...body);

/* Figures for people. Missing ones are null. */
const known = x => typeof x === 'number' && isFinite(x);
const list = x => (Array.isArray(x) ? x : []);
const THIN = '\u202f';
function plain(x, digits = 3) {
  if (!known(x)) return null;
  if (x !== 0 && (Math.abs(x) < 1e-3 || Math.abs(x) >= 1e15)) return x.toExponential(1);
  const whole = Math.max(0, Math.floor(Math.log10(Math.abs(x) || 1)) + 1);
  return x.toLocaleString('en', { maximumFractionDigits: Math.max(0, digits - whole) })
    .replaceAll(',', THIN);
}
const percent = (x, digits = 1) => (known(x) ? (100 * x).toFixed(digits) + THIN + '%' : null);
function count(x) {
  if (!known(x)) return null;
  for (const [step, unit] of [[1e9, 'G'], [1e6, 'M'], [1e4, 'K']])
    if (Math.abs(x) >= step) return plain(x / (unit === 'K' ? 1e3 : step)) + THIN + unit;
  return plain(x, 6);
}
function bytes(x) {
  if (!known(x)) return null;
  if (x >= 1048576) return plain(x / 1048576) + THIN + 'MB';
  return x >= 1024 ? plain(x / 1024) + THIN + 'KB' : plain(x) + THIN + 'B';
}
const time = ms => !known(ms) ? null : ms >= 1000 ? plain(ms / 1000) + THIN + 's'
  : ms >= 1 ? plain(ms) + THIN + 'ms' : plain(ms * 1000) + THIN + 'µs';
const energy = uj => !known(uj) ? null
  : uj >= 1000 ? plain(uj / 1000) + THIN + 'mJ' : plain(uj) + THIN + 'µJ';
function span(seconds) {
  if (!known(seconds)) return null;
  if (seconds < 90) return plain(seconds) + THIN + 's';
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? minutes + THIN + 'min'
    : Math.floor(minutes / 60) + THIN + 'h ' + (minutes % 60) + THIN + 'min';
}
const shapeText = shape => list(shape).join(THIN + '×' + THIN);
const many = (n, word) => (known(n) ? plain(n, 9) + ' ' + word + (n === 1 ? '' : 's') : null);
const mid = range => (range && known(range.mid) ? range.mid : null);

function heading(r) {
  const when = document.getElementById('when');
  if (r.started) when.append(String(r.started).replace('T', ' ').replace(/:\d\dZ$/, ' UTC'));
  if (known(r.seconds)) when.append(el('span.long', ' · took ' + span(r.seconds)));
  if (r.name) document.title = r.name + ' · limbeck';
}

/* What passes its limit: [name, used, limit, words] each. */
function limits(r) {
  const s = r.student || {}, b = (r.asked && r.asked.budget) || {};
  const high = range => (range && known(range.high) ? range.high : null);
  return [
    ['flash', s.flash_bytes, b.flash_bytes, bytes],
    ['SRAM', s.sram_bytes, b.sram_bytes, bytes],
    ['latency', high(s.latency_ms), b.latency_ms, time],
    ['energy', high(s.energy_uj), b.energy_uj, energy],
  ].filter(([, used, limit]) => known(used) && known(limit));
}

/* What goes into the device: the student in int8, if there is one. */
const inInt8 = r => Boolean(r.int8 && known(r.int8.accuracy));
const deployed = r => (inInt8(r) ? r.int8.accuracy : (r.student || {}).accuracy);

function verdict(r) {
  const s = r.student || {}, t = r.teacher, device = r.asked && r.asked.device;
  const p = el('p.verdict'), reached = deployed(r);
  const bold = text => el('strong', text);
  if (known(reached))
    p.append(`The student${inInt8(r) ? ', in int8,' : ''} answers `, bold(percent(reached)), ' of the test samples right');
  else p.append('The student was not measured');
  if (t && known(t.accuracy) && known(reached)) {
    const gap = 100 * (t.accuracy - reached);
    p.append(Math.abs(gap) < 0.05 ? ', as its teacher does'
      : `, ${Math.abs(gap).toFixed(1)} points ${gap > 0 ? 'below' : 'above'} its teacher`);
  }
  if (t && known(t.parameters) && known(s.parameters) && t.parameters > s.parameters)
    p.append(', with ', bold('1/' + plain(t.parameters / s.parameters, 2)), ' of the parameters');
  p.append('. ');
  if (known(s.twin_accuracy) && known(s.accuracy)) {
    const gain = 100 * (s.accuracy - s.twin_accuracy);
    p.append(`Taught without a teacher, the same network reaches ${percent(s.twin_accuracy)}: `,
      bold(`${gain >= 0 ? '+' : '−'}${Math.abs(gain).toFixed(1)} points`), ' by distillation. ');
  }
  const all = limits(r), over = all.filter(([, used, limit]) => used > limit);
  if (device && all.length) {
    p.append(over.length ? 'It does not fit ' : 'It fits ', bold(device), ': ');
    p.append((over.length ? over : all).map(([name, used, limit, words]) =>
      `${name} ${words(used)} of ${words(limit)}`).join(', ') + '.');
  }
  return p;
}

function hero(r) {
  const all = limits(r), over = all.filter(([, used, limit]) => used > limit);
  const status = r.status && r.status !== 'done' ? r.status
    : over.length ? 'does not fit' : all.length ? 'fits the device' : r.status;
  const bad = over.length || (r.status && r.status !== 'done');
  return el('section.hero', status && el('p.pill' + (bad ? '.bad' : ''), status),
    el('h1', r.name || 'A run'), !r.student && r.profile ? profileVerdict(r.profile) : verdict(r));
}

function tile(title, big, note, used, limit) {
  if (big === null) return null;
  const [number, unit] = big.split(THIN).length === 2 ? big.split(THIN) : [big, ''];
  const share = known(used) && known(limit) && limit > 0 ? used / limit : null;
  const bar = share !== null && el('div.meter', { 'aria-hidden': 'true' },
    el('i' + (share > 1 ? '.over' : ''),
      { style: `width:${Math.min(100, 100 * share).toFixed(1)}%` }));
  return el('div.tile', el('h3', title),
    el('p.big', number, unit && el('small', THIN + unit)), bar, note && el('p.note', note));
}

function tiles(r) {
  const s = r.student || {}, t = r.teacher || {}, b = (r.asked && r.asked.budget) || {};
  const of = (used, limit, words) => known(limit) && known(used)
    ? `${percent(used / limit, 0)} of ${words(limit)}` : null;
  const between = (range, words) => range && known(range.low) && known(range.high)
    ? `${words(range.low)} to ${words(range.high)}` : null;
  const both = (...parts) => parts.filter(Boolean).join(', ');
  const lat = s.latency_ms || {}, en = s.energy_uj || {};
  return el('section.tiles', { 'aria-label': 'The student in figures' },
    tile(inInt8(r) ? 'Accuracy in int8' : 'Accuracy', percent(deployed(r)),
      both(inInt8(r) && known(s.accuracy) && `${percent(s.accuracy)} in floats`, known(t.accuracy) && `teacher ${percent(t.accuracy)}`)),
    tile('Flash', bytes(s.flash_bytes), of(s.flash_bytes, b.flash_bytes, bytes), s.flash_bytes, b.flash_bytes),
    tile('SRAM', bytes(s.sram_bytes), of(s.sram_bytes, b.sram_bytes, bytes), s.sram_bytes, b.sram_bytes),
    tile('Latency', time(mid(lat)), both(between(lat, time), known(b.latency_ms) && `limit ${time(b.latency_ms)}`), lat.high, b.latency_ms),
    tile('Energy', energy(mid(en)), both(between(en, energy), known(b.energy_uj) && `limit ${energy(b.energy_uj)}`), en.high, b.energy_uj));
}

function facts(rows) {
  const dl = el('dl.facts');
  for (const [name, value] of rows)
    if (value !== null && value !== undefined && value !== false && String(value) !== '')
      dl.append(el('dt', name), el('dd', list(value).length
        ? list(value).map(line => el('div', String(line))) : String(value)));
  return dl.children.length ? dl : null;
}

function asked(r) {
  const a = r.asked || {}, b = a.budget || {}, d = r.data || {};
  const budget = [['flash', bytes(b.flash_bytes)], ['SRAM', bytes(b.sram_bytes)],
    ['latency', time(b.latency_ms)], ['energy', energy(b.energy_uj)]]
    .filter(([, x]) => x !== null).map(([name, x]) => `${x} ${name}`).join(', ');
  const width = known(a.width_found) && a.width_found !== a.width
    ? `${a.width}, found ${plain(a.width_found, 4)}` : a.width;
  const device = a.device && [a.device, a.core, known(a.clock_hz) && plain(a.clock_hz / 1e6) + THIN + 'MHz']
    .filter(Boolean).join(', ');
  const sizes = [['train', 'to learn'], ['validation', 'to validate'], ['test', 'to test']]
    .filter(([key]) => known(d[key])).map(([key, words]) => `${plain(d[key], 9)} ${words}`
      + (key === 'train' && d.unlabelled ? ` (${plain(d.labelled, 9)} with a label)` : '')).join(', ');
  const left = facts([['Student', a.model], ['Width', width], ['Device', device], ['Budget', budget],
    ['Losses', list(a.losses)]]);
  const right = facts([['Data', d.source], ['Samples', sizes],
    ['Input', d.shape && shapeText(d.shape) + (known(d.classes) ? `, ${d.classes} classes` : '')],
    ['Training', [many(a.epochs, 'epoch'), known(a.batch) && `batches of ${a.batch}`,
      known(a.seed) && `seed ${a.seed}`].filter(Boolean).join(', ')], ['Took', span(r.seconds)]]);
  if (!left && !right && !r.recipe_text) return null;
  return card('What was asked', null, el('div.charts', left, right),
    r.recipe_text && el('details', el('summary', 'The recipe, every default written out'),
      el('pre', { tabindex: '0' }, String(r.recipe_text))));
}

/* Cells of tables that hold two networks against each other: a figure or {low, mid, high}. */
const missing = () => el('span.none', '–', el('span.hide', 'not measured'));
const figureOf = x => (x && typeof x === 'object' ? mid(x) : x);
function figureCell(x, words) {
  if (x && typeof x === 'object')
    return [words(x.mid) ?? missing(), known(x.low) && known(x.high)
      && el('span.range', `${words(x.low)} to ${words(x.high)}`)];
  return words(x) ?? missing();
}
/* from, to: of the figure with this key; shares are compared by points */
function compared(key, from, to) {
  const [x, y] = [figureOf(from), figureOf(to)];
  if (!known(x) || !known(y) || !y) return missing();
  if (key === 'accuracy' || key === 'ece') {
    const gap = 100 * (y - x);
    return Math.abs(gap) < 0.005 ? 'the same' : `${Math.abs(gap).toFixed(2)} points ${gap < 0 ? 'lower' : 'higher'}`;
  }
  return x === y ? 'the same' : x > y ? `${plain(x / y, 2)}× smaller` : `${plain(y / x, 2)}× larger`;
}

function versus(r) {
  if (!r.student && !r.teacher) return null;
  const s = r.student || {}, t = r.teacher, b = (r.asked && r.asked.budget) || {};
  const rows = [['Accuracy', 'accuracy', x => percent(x, 2)], ['Calibration error', 'ece', x => percent(x, 2)],
    ['Parameters', 'parameters', count],
    ['Multiply-adds', 'macs', count], ['Flash', 'flash_bytes', bytes, b.flash_bytes],
    ['SRAM', 'sram_bytes', bytes, b.sram_bytes], ['Latency', 'latency_ms', time, b.latency_ms],
    ['Energy', 'energy_uj', energy, b.energy_uj]];
  const limited = rows.some(row => known(row[3]));
  const body = el('tbody', rows.filter(([, key]) => (figureOf(s[key]) ?? null) !== null
    || (t && known(figureOf(t[key])))).map(([name, key, words, limit]) => el('tr',
    el('th', { scope: 'row' }, name), t && el('td.num.t', figureCell(t[key], words)),
    el('td.num.s', figureCell(s[key], words)), t && el('td.num.of', compared(key, t[key], s[key])),
    limited && el('td.num.wide', known(limit) ? words(limit) : missing()))));
  const head = el('thead', el('tr', el('th', { scope: 'col' }, el('span.hide', 'Figure')),
    t && el('th.num.t', { scope: 'col' }, 'Teacher'), el('th.num.s', { scope: 'col' }, 'Student'),
    t && el('th.num', { scope: 'col' }, 'Compared'), limited && el('th.num.wide', { scope: 'col' }, 'Limit')));
  const lead = t && known(r.agreement)
    ? `They give the same answer to ${percent(r.agreement)} of the test samples`
      + (known(r.kl) ? `; KL divergence ${plain(r.kl, 3)} nats.` : '.') : null;
  const a = (t && t.audit) || {}, given = (t && t.preprocessing) || {};
  const numbers = key => (list(given[key]).length ? `, ${key} ${list(given[key]).join(', ')}` : '');
  const audit = known(a.accuracy) && `Before the first step the teacher agreed with ${percent(a.accuracy, 2)} of the labels of `
    + `${plain(a.samples, 9)} ${a.split} samples; it was given ${given.pixels} pixels${numbers('mean')}${numbers('std')}.`;
  const members = list(t && t.members).map(m => `${m.name} ${percent(m.accuracy, 2) ?? ''}`);
  return card(t ? 'Teacher and student' : 'The student', lead,
    el('div.scroll', el('table', head, body)), audit && el('p', { style: 'margin-top:1em' }, audit),
    members.length > 0 && el('p', `Each teacher alone: ${members.join(', ')}.`));
}

function classes(r) {
  const all = list(r.classes).filter(c => c && known(c.accuracy));
  if (!all.length) return null;
  const taught = all.some(c => known(c.teacher_accuracy));
  const some = all.some(c => !c.labelled), told = all.some(c => c.labelled);
  const none = () => el('span.none', '–');
  const gap = c => {
    if (!known(c.teacher_accuracy)) return none();
    const points = 100 * (c.accuracy - c.teacher_accuracy);
    return Math.abs(points) < 0.05 ? 'the same'
      : `${Math.abs(points).toFixed(1)} points ${points < 0 ? 'lower' : 'higher'}`;
  };
  const head = [['Labels seen', ''], taught && ['Teacher', '.t'], ['Student', '.s'], taught && ['Compared', '']];
  const lead = some && told ? 'The share of the test samples of each class that are answered right. Of classes without a label the student knows what the teacher told it.'
    : 'The share of the test samples of each class that are answered right.';
  return card('Class by class', lead, el('div.scroll', { tabindex: '0' }, el('table',
    el('thead', el('tr', el('th', { scope: 'col' }, 'Class'),
      head.filter(Boolean).map(([title, kind]) => el('th.num' + kind, { scope: 'col' }, title)))),
    el('tbody', all.map(c => el('tr', el('th', { scope: 'row' }, String(c.name ?? '')),
      el('td.num', c.labelled ? plain(c.labelled, 9) : 'none'),
      taught && el('td.num.t', percent(c.teacher_accuracy) ?? none()),
      el('td.num.s', percent(c.accuracy)), taught && el('td.num.of', gap(c))))))));
}

function layers(r) {
  const steps = list(r.memory && r.memory.steps);
  if (!steps.length) return null;
  const most = Math.max(...steps.map(s => s.cycles_share || 0), 1e-9);
  const none = () => el('span.none', '–');
  const figure = (key, words) => s => (known(s[key]) && s[key] !== 0 ? words(s[key]) : null) ?? none();
  const share = s => !known(s.cycles_share) ? none() : el('div.share', percent(s.cycles_share),
    el('div.meter', { 'aria-hidden': 'true' }, el('i', { style: `width:${(100 * s.cycles_share / most).toFixed(1)}%` })));
  /* key, title, classes, content; a column that no step knows is left out */
  const columns = [['kind', 'Kind', '.wide', s => s.kind || ''],
    ['shape', 'Output', '.num.wide', s => shapeText(s.shape) || none()],
    ['macs', 'Multiply-adds', '.num', figure('macs', count)],
    ['weight_bytes', 'Weights', '.num.wide', figure('weight_bytes', bytes)],
    ['live_bytes', 'Alive', '.num.wide', figure('live_bytes', bytes)],
    ['cycles_share', 'Time', '.num', share]].filter(([key]) => steps.some(s => (s[key] ?? null) !== null));
  const timed = columns.some(([key]) => key === 'cycles_share');
  return card('Layer by layer', 'One inference on the device, in the order in which it runs'
    + (timed ? ', with the estimated share of its time.' : '.'),
  el('div.scroll', { tabindex: '0' }, el('table',
    el('thead', el('tr', el('th', { scope: 'col' }, 'Layer'), columns.map(([, title, kind]) => el('th' + kind, { scope: 'col' }, title)))),
    el('tbody', steps.map(s => el('tr', el('th', { scope: 'row' }, s.name || ''),
      columns.map(([, , kind, content]) => el('td' + kind, content(s)))))))));
}

function firmware(r) {
  const f = r.firmware;
  if (!f) return null;
  const good = f.compiled && !f.mismatches;
  const text = !f.compiled ? 'Firmware was written, but not compiled here.'
    : `Compiled and run on this machine: ${plain(f.outputs_checked, 9) ?? 'no'} outputs compared with the network, `
      + (good ? 'all of them agree.' : `${plain(f.mismatches, 9)} of them differ.`);
  return card('Firmware', text, facts([['Flash as compiled', bytes(f.flash_bytes)],
    ['SRAM as compiled', bytes(f.sram_bytes)], ['Stack as measured', bytes(f.stack_bytes)],
    ['Worst error', known(f.worst_error) ? `${plain(f.worst_error)} of the output's scale` : null],
    ['Compiler', f.compiler]]));
}

/* What `limbeck prove` found: a column for each target. */
function proof(r) {
  const proofs = Object.entries(r.device_proof || {}).filter(([, p]) => p && known(p.outputs_checked));
  if (!proofs.length) return null;
  const row = (title, content) => [title, proofs.map(([, p]) => content(p))];
  const at = k => p => list(p.instructions_by_layer)[k] || {};
  const steps = Math.max(...proofs.map(([, p]) => list(p.instructions_by_layer).length));
  const name = k => proofs.map(([, p]) => at(k)(p).name).find(Boolean) || `step ${k}`;
  const rows = [
    row('Outputs checked', p => plain(p.outputs_checked, 9)),
    row('that differ', p => plain(p.mismatches, 9)),
    row('Flash', p => bytes(p.flash_bytes)), row('SRAM', p => bytes(p.sram_bytes)),
    row('of it stack', p => bytes(p.stack_bytes)),
    row('Instructions', p => plain(p.instructions, 15)),
    ...Array.from({ length: steps }, (_, k) => row(name(k), p => plain(at(k)(p).instructions, 15))),
  ].filter(([, cells]) => cells.some(c => c !== null));
  return card('Proved on a device', 'Every output of the self-test, and one inference, counted exactly by the emulator.',
    el('div.scroll', { tabindex: '0' }, el('table',
      el('thead', el('tr', el('th', { scope: 'col' }, ''), proofs.map(([on]) => el('th.num', { scope: 'col' }, on)))),
      el('tbody', rows.map(([title, cells]) => el('tr', el('th', { scope: 'row' }, title),
        cells.map(c => el('td.num', c ?? '\u2013'))))))));
}

function files(r) {
  const entries = Object.entries(r.files || {});
  if (!entries.length) return null;
  const safe = path => /^[\w.@+-][\w./@+-]*$/.test(path) && !path.includes('..');
  const items = entries.map(([label, path]) => el('li',
    safe(String(path)) ? el('a', { href: String(path) }, label) : `${label}: ${path}`));
  return card('Files', 'In the folder of the run, beside this page.', el('ul.files', items));
}
