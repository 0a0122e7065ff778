/* charts.js: the parts of the page that are drawn: curves, memory, samples, confusion.
 * Colours are read from the style sheet, so that charts follow light and dark. */
'use strict';

const dark = matchMedia('(prefers-color-scheme: dark)');
const drawn = []; /* [canvas, recipe]: made again when the colours change */
const colour = name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();

function plot(kind, label, make) {
  const canvas = el('canvas', { role: 'img', 'aria-label': label });
  drawn.push([canvas, make, null]);
  return el('div.plot' + kind, canvas);
}

function draw() {
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.font.size = 12;
  Chart.defaults.color = colour('soft');
  Chart.defaults.borderColor = colour('line');
  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
  for (const item of drawn) {
    if (item[2]) item[2].destroy();
    item[2] = new Chart(item[0], item[1]());
  }
}

const axis = (title, more) => ({
  grid: { drawTicks: false, drawBorder: false }, title: { display: !!title, text: title },
  ...more, ticks: { padding: 8, maxTicksLimit: 6, ...(more && more.ticks) },
});
const line = (label, data, name, more) => ({
  label, data, borderColor: colour(name), backgroundColor: colour(name), borderWidth: 2,
  pointRadius: 0, pointHitRadius: 12, pointHoverRadius: 4, tension: 0.25, spanGaps: true, ...more,
});
const legend = {
  position: 'bottom', align: 'start',
  labels: {
    usePointStyle: true, padding: 14,
    generateLabels: chart => chart.data.datasets.map((d, i) => ({
      text: d.label, datasetIndex: i, hidden: !chart.isDatasetVisible(i), pointStyle: 'line',
      strokeStyle: d.borderColor, fontColor: colour('soft'), lineWidth: 2, lineDash: d.borderDash,
    })),
    boxWidth: 26,
  },
};

/* An upright line where a stage begins, with its name. */
const begins = (epochs, stages) => ({
  id: 'begins',
  afterDatasetsDraw(chart) {
    const { ctx, chartArea: area, scales: { x } } = chart;
    ctx.save();
    ctx.font = `12px ${Chart.defaults.font.family}`;
    ctx.strokeStyle = colour('line');
    ctx.fillStyle = colour('soft');
    epochs.forEach((e, i) => {
      if (!known(e.stage) || (i > 0 && epochs[i - 1].stage === e.stage)) return;
      const at = i > 0 ? (x.getPixelForValue(i - 1) + x.getPixelForValue(i)) / 2 : area.left;
      if (i > 0) {
        ctx.beginPath();
        ctx.moveTo(at, area.top);
        ctx.lineTo(at, area.bottom);
        ctx.stroke();
      }
      ctx.fillText(String((stages[e.stage] || {}).name ?? ''), at + 4, area.top + 12);
    });
    ctx.restore();
  },
});

function curve(title, epochs, lines, words, best, low, stages = []) {
  const shown = lines.filter(([, data]) => data.some(known));
  if (!shown.length) return null;
  const last = shown.map(([label, data]) => `${label} ends at ${words(data.filter(known).pop())}`);
  return el('figure' + (low ? '.full' : ''), el('figcaption', title),
    plot(low ? '.low' : '', `${title} over ${epochs.length} epochs: ${last.join(', ')}`, () => ({
      type: 'line',
      data: {
        labels: epochs.map((e, i) => (known(e.epoch) ? e.epoch : i) + 1),
        datasets: shown.map(([label, data, name, dash]) => line(label, data, name, {
          borderDash: dash || [], pointStyle: 'line',
          ...(label === 'validation' && known(best) ? {
            pointRadius: data.map((_, i) => (i === best ? 5 : 0)), pointStyle: 'circle',
          } : {}),
        })),
      },
      plugins: [begins(epochs, stages)],
      options: {
        interaction: { mode: 'index', intersect: false },
        scales: { x: axis('epoch', { ticks: { maxTicksLimit: 11, maxRotation: 0 }, grid: { display: false } }), y: axis('', { ticks: { callback: words } }) },
        plugins: {
          legend: { ...legend, display: shown.length > 1 },
          tooltip: { callbacks: { title: at => 'epoch ' + at[0].label, label: at => ` ${at.dataset.label}: ${words(at.parsed.y)}` } },
        },
      },
    })));
}

function curves(r) {
  const epochs = list(r.epochs);
  if (!epochs.length) return null;
  const of = key => epochs.map(e => (known(e[key]) ? e[key] : null));
  const names = list(r.term_names), stages = list(r.stages);
  const terms = names.length > 1 ? names.map((name, k) => [name, epochs.map(e => list(e.terms)[k] ?? null),
    'soft', [[2, 3], [7, 4], [10, 3, 2, 3], [1, 2]][k % 4]]) : [];
  const best = known(r.best_epoch) ? r.best_epoch : null;
  const lead = best !== null && epochs[best] ? `The weights of epoch ${best + 1} were kept`
    + (known(epochs[best].validation_accuracy) ? `: ${percent(epochs[best].validation_accuracy, 2)} of the validation split.` : '.') : null;
  return card('Learning curves', lead, el('div.charts',
    curve('Accuracy', epochs, [['validation', of('validation_accuracy'), 'student'],
      ['training', of('train_accuracy'), 'teacher', [6, 4]]], x => plain(100 * x) + THIN + '%', best, false, stages),
    curve('Loss', epochs, [['validation', of('validation_loss'), 'student'], ['training, weighted', of('loss'), 'teacher', [6, 4]],
      ...terms], x => plain(x), best, false, stages),
    curve('Learning rate', epochs, [['rate', of('lr'), 'soft']], x => plain(x), null, true, stages)));
}

/* Value, weight and share of the gradient of each loss; nothing for one alone. */
function pull(r) {
  const epochs = list(r.epochs), names = list(r.term_names), stages = list(r.stages);
  const of = (key, k) => epochs.map(e => (known(list(e[key])[k]) ? e[key][k] : null));
  const shares = names.map((_, k) => of('shares', k));
  if (names.length < 2 || !shares.some(share => share.some(known))) return null;
  const title = k => names.indexOf(names[k]) === names.lastIndexOf(names[k]) ? names[k] : `${names[k]} (${k + 1})`;
  const kinds = ['student', 'teacher', 'good', 'soft'], dashes = [[], [7, 4], [2, 3], [10, 3, 2, 3]];
  const lines = names.map((_, k) => [title(k), shares[k], kinds[k % 4], dashes[Math.floor(k / 4) % 4]]);
  /* What it was and what it became, or one number that stayed. */
  const ends = (data, words) => {
    const there = data.filter(known);
    if (!there.length) return el('span.none', '–', el('span.hide', 'not measured'));
    const [first, last] = [there[0], there[there.length - 1]].map(x => words(x));
    return first === last ? first : [first, el('span.none', { 'aria-hidden': 'true' }, ' → '), el('span.hide', 'then '), last];
  };
  const columns = [['terms', 'Value', plain], ['weights', 'Weight', x => plain(x, 4)], ['shares', 'Share', percent]];
  return card('What each loss pulls', 'How long its gradient is over the student\'s parameters, times its weight, '
    + 'as a share of the sum of all: measured at the first batch of every epoch.',
  el('div.charts', curve('Share of the gradient', epochs, lines, x => plain(100 * x) + THIN + '%', null, false, stages),
    el('figure', el('figcaption', 'At the first and the last epoch'), el('div.scroll', { tabindex: '0' }, el('table',
    el('thead', el('tr', el('th', { scope: 'col' }, 'Loss'), columns.map(([, head]) => el('th.num', { scope: 'col' }, head)))),
    el('tbody', names.map((_, k) => el('tr', el('th', { scope: 'row' }, title(k)),
      columns.map(([key, , words]) => el('td.num', ends(of(key, k), words)))))))))));
}

/* A level line across the chart; its name stands at the right above it, or below, so that
 * two near levels do not write over each other. */
const levels = marks => ({
  id: 'levels',
  afterDatasetsDraw(chart) {
    const { ctx, chartArea: area, scales: { y } } = chart;
    ctx.save();
    ctx.font = `600 12px ${Chart.defaults.font.family}`;
    ctx.textAlign = 'right';
    for (const [value, text, name, below] of marks) {
      const at = y.getPixelForValue(value);
      ctx.strokeStyle = ctx.fillStyle = colour(name);
      ctx.lineWidth = 1.5;
      ctx.setLineDash([6, 4]);
      ctx.beginPath();
      ctx.moveTo(area.left, at);
      ctx.lineTo(area.right, at);
      ctx.stroke();
      ctx.fillText(text, area.right - 4, at + (below ? 15 : -6));
    }
    ctx.restore();
  },
});

function memory(r) {
  const m = r.memory || {}, steps = list(m.steps);
  if (!steps.length) return null;
  const peak = steps.reduce((best, s, i) => ((s.live_bytes || 0) > (steps[best].live_bytes || 0) ? i : best), 0);
  const budget = known(m.budget_bytes) ? m.budget_bytes : null;
  const marks = [known(m.arena_bytes) && [m.arena_bytes, `arena ${bytes(m.arena_bytes)}`, 'ink', budget !== null && m.arena_bytes < budget],
    budget !== null && [budget, `budget ${bytes(budget)}`, 'limit']].filter(Boolean);
  const most = 1.08 * Math.max(budget ?? 0, m.arena_bytes || 0, ...steps.map(s => s.live_bytes || 0));
  const unit = niceStep(most), top = Math.ceil(most / unit) * unit;
  const label = `Bytes alive at each of ${steps.length} steps; most, ${bytes(steps[peak].live_bytes)}, at ${steps[peak].name}`
    + (budget !== null ? `; the budget is ${bytes(budget)}` : '');
  return card('Memory over the layers', `Fullest at ${steps[peak].name}: ${bytes(steps[peak].live_bytes)} alive at once`
    + (known(m.arena_bytes) ? `, in an arena of ${bytes(m.arena_bytes)}` : '')
    + (known(m.stack_bytes) ? ` beside ${bytes(m.stack_bytes)} of stack.` : '.'),
  plot('.tall', label, () => ({
    type: 'bar',
    data: {
      labels: steps.map(s => s.name || ''),
      datasets: [{
        label: 'alive', data: steps.map(s => s.live_bytes), barPercentage: 1, categoryPercentage: 0.94,
        backgroundColor: steps.map((_, i) => (i === peak ? colour('student') : colour('student-wash'))),
        borderColor: colour('student'), borderWidth: { top: 2 }, borderRadius: 3,
      }],
    },
    options: {
      scales: {
        x: axis('', { grid: { display: false }, ticks: { maxTicksLimit: 60, autoSkip: true, maxRotation: 60 } }),
        y: axis('', { min: 0, max: top, ticks: { callback: x => bytes(x), stepSize: unit } }),
      },
      plugins: { legend: { display: false }, tooltip: { callbacks: {
        label: at => ` ${bytes(at.parsed.y)} alive`, afterLabel: at => ' ' + (steps[at.dataIndex].kind || '') } } },
    },
    plugins: [levels(marks)],
  })));
}
/* A power of two that gives four to eight steps. */
const niceStep = top => 2 ** Math.floor(Math.log2(Math.max(top, 8) / 4));

/* Probabilities of logits softened by temperature t. */
function softmax(logits, t) {
  const most = Math.max(...logits), e = logits.map(z => Math.exp((z - most) / t));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map(x => x / sum);
}
const argmax = v => v.reduce((best, x, i) => (x > v[best] ? i : best), 0);
const className = (r, k) => String(list(r.data && r.data.class_names)[k] ?? `class ${k}`);

function picture(r, s) {
  const [c, h, w] = list(s.shape);
  const size = c * h * w;
  const name = className(r, s.label);
  const canvas = el('canvas', { role: 'img', 'aria-label': `a sample of ${name}` });
  let raw = '';
  try {
    raw = atob(s.pixels || '');
  } catch (e) {
    raw = '';
  }
  if (!(size > 0 && size <= 4e6 && (c === 1 || c === 3) && raw.length === size)) return canvas;
  canvas.width = w;
  canvas.height = h;
  const ctx = canvas.getContext('2d'), image = ctx.createImageData(w, h), plane = h * w;
  for (let i = 0; i < plane; i++) {
    for (let k = 0; k < 3; k++) image.data[4 * i + k] = raw.charCodeAt((c === 3 ? k : 0) * plane + i);
    image.data[4 * i + 3] = 255;
  }
  ctx.putImageData(image, 0, 0);
  return canvas;
}

function sampleCard(r, s, ticking) {
  const teacher = list(s.teacher_logits), student = list(s.student_logits);
  const order = [...student.keys()].sort((a, b) => (teacher.length ? teacher[b] - teacher[a] : student[b] - student[a]) || a - b)
    .slice(0, 5);
  if (!order.includes(argmax(student))) order[order.length - 1] = argmax(student);
  const bars = el('div.bars'), rows = [];
  for (const k of order) {
    const first = el('i' + (teacher.length ? '' : '.only')), second = teacher.length ? el('i') : null, pc = el('span.pc');
    bars.append(el('span.of' + (k === s.label ? '.is' : ''), { title: className(r, k) }, className(r, k)),
      el('span.pair', first, second), pc);
    rows.push([k, first, second, pc]);
  }
  ticking.push(t => {
    const p = teacher.length ? softmax(teacher, t) : softmax(student, t), q = softmax(student, t);
    for (const [k, first, second, pc] of rows) {
      first.style.width = (100 * p[k]).toFixed(2) + '%';
      if (second) second.style.width = (100 * q[k]).toFixed(2) + '%';
      pc.textContent = p[k] > 0 && p[k] < 0.001 ? '<0.1' + THIN + '%' : percent(p[k]);
      pc.title = second ? `teacher ${percent(p[k], 2)}, student ${percent(q[k], 2)}` : '';
    }
  });
  const said = argmax(student);
  return el('div.sample', el('div', picture(r, s), el('p.name', className(r, s.label)),
    said !== s.label && el('p.wrong', 'student: ' + className(r, said))), bars);
}

function samples(r) {
  const shown = list(r.samples).filter(s => s && list(s.student_logits).length
    && (!list(s.teacher_logits).length || s.teacher_logits.length === s.student_logits.length));
  if (!shown.length) return null;
  const ticking = [], taught = shown.some(s => list(s.teacher_logits).length);
  const grid = el('div.samples', shown.map(s => sampleCard(r, s, ticking)));
  const usual = known(r.asked && r.asked.temperature) ? r.asked.temperature : 1;
  const input = el('input#temperature', { type: 'range', min: -1, max: 4.4, step: 0.05, value: Math.log2(usual) });
  const output = el('output', { for: 'temperature' });
  const tick = () => {
    const t = 2 ** Number(input.value);
    output.textContent = t.toFixed(t < 10 ? 1 : 0);
    input.setAttribute('aria-valuetext', output.textContent);
    for (const f of ticking) f(t);
  };
  input.addEventListener('input', tick);
  tick();
  return card(taught ? 'What the teacher knows' : 'What the student answers',
    taught ? 'At a temperature of 1 the teacher is nearly certain. Softened, it shows which wrong answers are nearly right; that is what the student learns from.'
      : 'Probabilities of a few test samples, softened by a temperature.',
    el('div.slide', el('label', { for: 'temperature' }, 'Temperature'), input, output),
    el('p.key', taught && el('span.t', el('i'), 'teacher (figures)'), el('span', el('i'), 'student')), grid);
}

function matrix(r, key, title) {
  const m = r.confusion[key], sums = m.map(row => list(row).reduce((a, b) => a + b, 0) || 1);
  const cell = (n, i, k) => {
    const share = n / sums[i];
    return el('td', {
      title: `${className(r, i)} taken for ${className(r, k)}: ${n} (${percent(share)})`,
      style: `background:color-mix(in srgb, var(--${key}) ${Math.round(95 * Math.sqrt(share))}%, var(--card));`
        + `color:var(--${share > 0.4 ? 'card' : 'ink'})`,
    }, n ? String(n) : '');
  };
  return el('figure', { tabindex: '0' }, el('figcaption', title), el('table.confusion',
    el('thead', el('tr', el('th', el('span.hide', 'Label')),
      m.map((_, k) => el('th', { scope: 'col' }, el('span', className(r, k)))))),
    el('tbody', m.map((row, i) => el('tr', el('th', { scope: 'row' }, className(r, i)),
      list(row).map((n, k) => cell(n, i, k)))))));
}

function confusion(r) {
  const c = r.confusion || {};
  const kinds = [['student', 'Student'], ['teacher', 'Teacher']]
    .filter(([key]) => list(c[key]).length && c[key].length <= 40);
  if (!kinds.length) return null;
  return card('Who is taken for whom', 'Counts on the test split: a row for each label, a column for each answer.',
    el('div.pairs', kinds.map(([key, title]) => matrix(r, key, title))));
}

function page(r) {
  heading(r);
  put(hero(r), tiles(r), asked(r), versus(r), pruned(r), int8(r), curves(r), pull(r), memory(r), layers(r), proof(r), samples(r),
    alike(r), attention(r), confusion(r), classes(r), ...(profile(r) || []));
  const two = [firmware(r), files(r)].filter(Boolean);
  put(two.length === 2 ? el('div.two', two) : two[0]);
}

function foot(r) {
  document.getElementById('foot').append(
    el('span', `Made by limbeck ${r.version || ''}. This page loads nothing from elsewhere.`),
    el('span', `Charts by Chart.js ${Chart.version}, MIT License.`));
  draw();
}

/* what the record is of; a run if it does not say */
const kinds = { comparison, sweep };
if (record && typeof record === 'object') {
  (kinds[record.kind] || page)(record);
  foot(record);
} else put(card('This record cannot be read', 'The page holds no valid record of a run.'));
dark.addEventListener('change', draw);
matchMedia('print').addEventListener('change', draw); /* ink on paper, also from the dark */
