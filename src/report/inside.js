/* inside.js: what the run saw inside teacher and student: how alike their layers are
 * (centred kernel alignment), and where they look (attention maps). */
'use strict';

const alikeText = x => (known(x) ? x.toFixed(2).replace('-', '−') : null);

/* A row for each pair; several teachers have a part each. */
function alikePairs(r, pairs) {
  const members = list(r.teacher && r.teacher.members);
  const name = k => String((members[k] || {}).name ?? `teacher ${k + 1}`);
  const row = p => {
    const x = known(p.cka) ? Math.max(0, Math.min(1, p.cka)) : null;
    const layer = (side, kind) => el('td' + kind, el('span.layer', String(p[side] ?? '')),
      list(p[side + '_shape']).length > 0 && el('span.range', shapeText(p[side + '_shape'])));
    return el('tr', layer('teacher', '.t'), layer('student', '.s'),
      el('td.num', x === null ? el('span.none', '–', el('span.hide', 'not known'))
        : el('div.share', alikeText(p.cka), el('div.meter', { 'aria-hidden': 'true' },
          el('i', { style: `width:${(100 * x).toFixed(1)}%` })))));
  };
  const parts = new Map();
  for (const p of pairs) {
    const k = known(p.member) ? p.member : -1;
    parts.set(k, [...(parts.get(k) || []), p]);
  }
  return el('figure', el('figcaption', 'Pair by pair'), el('div.scroll', { tabindex: '0' }, el('table.alike',
    el('thead', el('tr', el('th.t', { scope: 'col' }, 'Teacher'), el('th.s', { scope: 'col' }, 'Student'),
      el('th.num', { scope: 'col' }, 'Alignment'))),
    [...parts].map(([k, rows]) => el('tbody', k >= 0 && el('tr.part', el('th', { colspan: '3', scope: 'rowgroup' }, name(k))),
      rows.map(row))))));
}

/* Every layer of the teacher beside every layer of the student. */
function alikeGrid(grid, pairs) {
  const g = grid && typeof grid === 'object' ? grid : {};
  const teacher = list(g.teacher), student = list(g.student), rows = list(g.cka);
  if (teacher.length < 2 || student.length < 2 || teacher.length > 32 || student.length > 32
    || rows.length !== teacher.length || rows.some(row => list(row).length !== student.length)) return null;
  const paired = (i, k) => pairs.some(p => (p.member ?? null) === (g.member ?? null) && p.teacher === teacher[i] && p.student === student[k]);
  const cell = (x, i, k) => {
    const share = known(x) ? Math.max(0, Math.min(1, x)) : 0;
    return el('td' + (paired(i, k) ? '.paired' : ''), {
      title: `${teacher[i]} of the teacher, ${student[k]} of the student: ${alikeText(x) ?? 'not known'}`,
      style: `background:color-mix(in srgb, var(--student) ${Math.round(64 * share ** 1.6)}%, var(--card))`,
    }, alikeText(x) ?? el('span.none', '–'));
  };
  return el('figure.wide-grid', { tabindex: '0' }, el('figcaption', 'Every layer with every other; the pairs are framed'), el('table.confusion.grid',
    el('thead', el('tr', el('th', el('span.hide', 'Teacher, down; student, across')),
      student.map(name => el('th.s', { scope: 'col' }, el('span', String(name)))))),
    el('tbody', rows.map((row, i) => el('tr', el('th.t', { scope: 'row' }, String(teacher[i])),
      row.map((x, k) => cell(x, i, k)))))));
}

function alike(r) {
  const pairs = list(r.alignment).filter(p => p && typeof p === 'object');
  if (!pairs.length) return null;
  const g = r.alignment_grid || {};
  return card('How alike they see', 'Centred kernel alignment of layers'
    + (known(g.samples) ? `, over ${plain(g.samples, 9)} test samples` : '')
    + ': 1 where both networks find the same samples alike, 0 where they share nothing.',
  el('div.charts.near', alikePairs(r, pairs), alikeGrid(r.alignment_grid, pairs)));
}

/* From cold to hot; the same for both networks, in light and in dark. */
const HEAT = [[12, 8, 38], [84, 16, 109], [158, 40, 100], [221, 81, 58], [250, 153, 30], [252, 240, 150]];
function heat(x) {
  const at = Math.max(0, Math.min(1, x)) * (HEAT.length - 1), i = Math.min(HEAT.length - 2, Math.floor(at));
  return HEAT[i].map((c, k) => c + (at - i) * (HEAT[i + 1][k] - c));
}

/* A map [h, w] at a point of the unit square, between its cells' centres. */
function between(map, x, y) {
  const u = Math.max(0, Math.min(map.w - 1, x * map.w - 0.5)), v = Math.max(0, Math.min(map.h - 1, y * map.h - 0.5));
  const i = Math.floor(u), k = Math.floor(v), i2 = Math.min(map.w - 1, i + 1), k2 = Math.min(map.h - 1, k + 1);
  const cell = (a, b) => map.bytes.charCodeAt(b * map.w + a) / 255;
  const top = cell(i, k) + (u - i) * (cell(i2, k) - cell(i, k)), low = cell(i, k2) + (u - i) * (cell(i2, k2) - cell(i, k2));
  return top + (v - k) * (low - top);
}

function unpack(text, h, w) {
  let bytes = '';
  try {
    bytes = atob(typeof text === 'string' ? text : '');
  } catch (e) {
    bytes = '';
  }
  const whole = x => Number.isInteger(x) && x > 0 && x <= 4096;
  return whole(h) && whole(w) && bytes.length === h * w ? { bytes, h, w } : null;
}

/* Where its strongest point is, in words. */
function strongest(map) {
  let best = 0;
  for (let i = 1; i < map.bytes.length; i++) if (map.bytes.charCodeAt(i) > map.bytes.charCodeAt(best)) best = i;
  const third = (x, n, words) => words[Math.min(2, Math.floor(3 * (x + 0.5) / n))];
  const down = third(Math.floor(best / map.w), map.h, ['top', 'middle', 'bottom']);
  const across = third(best % map.w, map.w, ['left', 'centre', 'right']);
  return down === 'middle' ? (across === 'centre' ? 'in the middle' : `at the ${across}`)
    : across === 'centre' ? `at the ${down}` : `at the ${down} ${across}`;
}

/* The sample in grey under the map in colours; the sample's own pixels stay sharp. */
function overlay(canvas, s, map) {
  const [c, h, w] = list(s.shape), plane = h * w, fine = Math.max(1, Math.ceil(112 / Math.max(h, w)));
  const raw = unpack(s.pixels, c * h, w);
  if (!raw || !(c === 1 || c === 3) || !(plane * fine * fine <= 4e6)) return;
  canvas.width = w * fine;
  canvas.height = h * fine;
  const ctx = canvas.getContext('2d'), image = ctx.createImageData(canvas.width, canvas.height);
  for (let y = 0; y < canvas.height; y++)
    for (let x = 0; x < canvas.width; x++) {
      const i = Math.floor(y / fine) * w + Math.floor(x / fine), at = 4 * (y * canvas.width + x);
      const grey = c === 3 ? 0.3 * raw.bytes.charCodeAt(i) + 0.59 * raw.bytes.charCodeAt(plane + i) + 0.11 * raw.bytes.charCodeAt(2 * plane + i)
        : raw.bytes.charCodeAt(i);
      const a = between(map, (x + 0.5) / canvas.width, (y + 0.5) / canvas.height), hot = heat(a);
      for (let k = 0; k < 3; k++) image.data[at + k] = 0.34 * grey + 0.66 * hot[k];
      image.data[at + 3] = 255;
    }
  ctx.putImageData(image, 0, 0);
}

function lookCard(r, s, pairs, showing) {
  const answer = side => {
    const a = s[side] || {};
    const right = known(a.answer) && a.answer === s.label;
    return el('p.said' + (right ? '' : '.wrong'), el('b', known(a.answer) && a.answer >= 0 ? className(r, a.answer) : 'none of them'),
      known(a.confidence) && ' ' + percent(a.confidence, 0));
  };
  const view = (side, title, kind) => {
    const canvas = el('canvas', { role: 'img' });
    showing.push(k => {
      const m = list(s.maps)[k] || {}, [, h, w] = list(pairs[k][side + '_shape']);
      const map = unpack(m[side], h, w);
      canvas.setAttribute('aria-label', map
        ? `attention of the ${side} at ${pairs[k][side]} on a sample of ${className(r, s.label)}: strongest ${strongest(map)}`
        : `attention of the ${side}: not known`);
      if (map) overlay(canvas, s, map);
    });
    return el('div.view', el('p.who' + kind, title), canvas, answer(side));
  };
  const alikeness = el('p.near', { title: 'the cosine of the two maps' });
  showing.push(k => {
    const x = (list(s.maps)[k] || {}).cosine;
    alikeness.textContent = known(x) ? `maps alike ${alikeText(x)}` : '';
  });
  return el('div.look', el('div.view', el('p.who', className(r, s.label)), picture(r, s), alikeness),
    view('teacher', 'Teacher', '.t'), view('student', 'Student', '.s'));
}

function attention(r) {
  const a = r.attention && typeof r.attention === 'object' ? r.attention : {};
  const pairs = list(a.pairs).filter(p => p && list(p.teacher_shape).length === 3 && list(p.student_shape).length === 3);
  const shown = list(a.samples).filter(s => s && typeof s === 'object' && list(s.maps).length === pairs.length);
  if (!pairs.length || pairs.length !== list(a.pairs).length || !shown.length) return null;
  const showing = [];
  const grid = el('div.looks', shown.map(s => lookCard(r, s, pairs, showing)));
  const where = p => (p.teacher === p.student ? String(p.teacher) : `${p.teacher} and ${p.student}`);
  const show = k => { for (const f of showing) f(k); };
  const choice = pairs.length > 1 && el('fieldset.choice', el('legend', 'Layers'), pairs.map((p, k) => {
    const input = el('input', { type: 'radio', name: 'look', id: 'look' + k });
    input.checked = k === pairs.length - 1;
    input.addEventListener('change', () => show(k));
    return el('label', { for: 'look' + k }, input, el('span', where(p), el('small', ' ' + list(p.student_shape).slice(1).join('×'))));
  }));
  show(pairs.length - 1);
  const which = list(r.teacher && r.teacher.members)[a.member];
  const teacher = which ? String(which.name ?? 'a teacher') : 'the teacher';
  return card('Where they look', `The strength of what each place gives, summed over the channels${pairs.length > 1 ? '' : ' of ' + where(pairs[0])}: `
    + `${teacher} beside the student. The first test samples of each class; disagreements come first.`,
  choice, el('p.key.heat', el('span', 'weak', el('i', { 'aria-hidden': 'true' }), 'strong')), grid);
}
