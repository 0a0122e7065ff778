/* many.js: the pages of many runs: a comparison with the twin, a sweep (docs/record.md). */
'use strict';

const signed = (x, digits = 2) => (known(x)
  ? `${x < 0 ? '−' : '+'}${Math.abs(100 * x).toFixed(digits)}` : null);
const none = () => el('span.none', '–', el('span.hide', 'not measured'));
const mean = x => (list(x).length ? x.reduce((a, b) => a + b, 0) / x.length : null);
const percentTick = x => plain(100 * x, 4) + THIN + '%';
const dots = (label, data, name, more) => ({
  type: 'scatter', label, data, backgroundColor: colour(name), borderColor: colour('card'),
  borderWidth: 1.5, pointRadius: 6, pointHoverRadius: 7, ...more,
});
const dotLegend = () => ({ position: 'bottom', align: 'start',
  labels: { usePointStyle: true, padding: 14, color: colour('soft'), filter: item => item.text !== '' } });

/* One seed beside the other: the pair, joined by a line. */
function pairs(r) {
  const names = list(r.seeds).map(s => 'seed ' + s);
  const label = `Test accuracy of ${names.length} pairs`;
  return el('figure', el('figcaption', 'Test accuracy, pair by pair'), plot('', label, () => ({
    data: { labels: names, datasets: [
      dots('with its teacher', list(r.with).map((y, x) => ({ x: names[x], y })), 'student'),
      dots('without', list(r.without).map((y, x) => ({ x: names[x], y })), 'teacher'),
      { type: 'bar', label: '', data: list(r.with).map((y, i) => [list(r.without)[i], y]),
        backgroundColor: colour('line'), barThickness: 3 },
    ] },
    options: {
      scales: { x: axis('', { type: 'category', labels: names, offset: true, grid: { display: false } }),
        y: axis('', { beginAtZero: false, grace: '10%', ticks: { callback: percentTick } }) },
      plugins: { legend: dotLegend(), tooltip: { filter: item => item.dataset.label !== '',
        callbacks: { label: at => ` ${at.dataset.label}: ${percent(at.parsed.y, 2)}` } } },
    },
  })));
}

/* The differences, their mean and its interval, against the line of no difference. */
function differences(r) {
  const d = list(r.with).map((w, i) => 100 * (w - list(r.without)[i])).filter(known);
  const between = list(r.interval).map(x => 100 * x);
  if (!d.length) return null;
  const all = [...d, ...between, 0], room = 0.08 * (Math.max(...all) - Math.min(...all)) || 1;
  const bar = (data, name, width, dash) => ({ type: 'line', label: '', data, borderColor: colour(name),
    borderWidth: width, borderDash: dash || [], pointRadius: 0, pointHitRadius: 0, pointHoverRadius: 0 });
  return el('figure', el('figcaption', 'What the teacher adds, in points'),
    plot('', `Differences of ${d.length} pairs; mean ${plain(100 * r.difference)}`, () => ({
      data: { datasets: [
        dots('each pair', d.map(x => ({ x, y: 1 })), 'student', { backgroundColor: colour('student-wash'), borderColor: colour('student') }),
        dots('mean', [{ x: 100 * r.difference, y: 0 }], 'student', { pointStyle: 'rectRot', pointRadius: 8 }),
        ...(between.length ? [bar(between.map(x => ({ x, y: 0 })), 'student', 5)] : []),
        bar([{ x: 0, y: -0.8 }, { x: 0, y: 1.8 }], 'ink', 1.2, [5, 3]),
      ] },
      options: {
        scales: { x: axis('points of test accuracy', { type: 'linear', suggestedMin: Math.min(...all) - room, suggestedMax: Math.max(...all) + room }),
          y: { display: false, type: 'linear', min: -0.8, max: 1.8 } },
        plugins: { legend: dotLegend(), tooltip: { filter: item => item.dataset.label !== '',
          callbacks: { label: at => ` ${at.dataset.label}: ${plain(at.parsed.x)} points` } } },
      },
    })));
}

function seedTable(r) {
  const at = (key, i) => percent(list(r[key])[i], 2) ?? none();
  const row = (name, get, kind) => el('tr', el('th', { scope: 'row' }, name), get.map(x => el('td.num' + kind, x)));
  const keys = ['with', 'without', 'with_last', 'without_last', 'with_validation', 'without_validation'];
  const gap = i => signed(list(r.with)[i] - list(r.without)[i]) ?? none();
  return el('div.scroll', { tabindex: '0' }, el('table',
    el('thead', el('tr', ['Seed', 'With', 'Without', 'Difference', 'With, last epoch', 'Without, last', 'With, validation', 'Without, validation']
      .map((title, i) => el(i ? 'th.num' : 'th', { scope: 'col' }, title)))),
    el('tbody', list(r.seeds).map((seed, i) => row(String(seed),
      [at('with', i), at('without', i), gap(i), ...keys.slice(2).map(key => at(key, i))], '')))));
}

function comparison(r) {
  heading(r);
  const between = list(r.interval), helps = between[0] > 0, hurts = between[1] < 0;
  const sentence = String(r.verdict || '');
  const lr = r.twin && r.twin.lr, tuned = list(r.twin && r.twin.tuned);
  put(el('section.hero', el('p.pill' + (helps ? '' : '.bad'), helps ? 'it helps' : hurts ? 'it hurts' : 'it cannot be told'),
    el('h1', `${r.name || 'A recipe'} and its twin`),
    el('p.verdict', sentence && el('strong', sentence[0].toUpperCase() + sentence.slice(1) + '.'),
      r.twin && r.twin.taught_until_pruned
        ? ' The twin is the same student under the same teacher until it is pruned, and without one from there on.'
        : ' The twin is the same student over the same data, without a teacher.')),
  el('section.tiles', { 'aria-label': 'The comparison in figures' },
    tile('With its teacher', percent(mean(r.with), 2), 'mean test accuracy'),
    tile('Without', percent(mean(r.without), 2), 'mean test accuracy'),
    tile('Difference', signed(r.difference), between.length
      ? `points; 95 % interval ${signed(between[0])} to ${signed(between[1])}` : 'points; one pair gives no interval'),
    tile('The teacher itself', percent(r.teacher_accuracy, 2), 'test accuracy')),
  card('The pairs', 'Both of a pair begin from the same weights and see the same samples in the same order. The validation split picked each run\'s epoch; the test split only measured.',
    el('div.charts', pairs(r), differences(r))),
  card('Seed by seed', known(r.difference_last) ? `Judged by the last epoch instead of the best, the difference is ${signed(r.difference_last)} points`
    + (list(r.interval_last).length ? `, interval ${signed(r.interval_last[0])} to ${signed(r.interval_last[1])}.` : '.') : null, seedTable(r)),
  card('The twin', null, facts([['Learning rate', known(lr) ? plain(lr) : null],
    ['Set for it', list(r.twin && r.twin.settings)],
    ['Rates tried', tuned.map(t => `${plain(t.lr)}: ${percent(t.validation_accuracy, 2) ?? 'it failed'} of the validation samples`)]]),
  r.recipe_text && el('details', el('summary', 'The recipe, every default written out'),
    el('pre', { tabindex: '0' }, String(r.recipe_text)))), files(r));
}

/* What a run costs, as far as the sweep knows it: [key, title, words]. */
const costs = runs => {
  const of = rows => rows.filter(([key]) => runs.some(run => known(cost(run, key))));
  const device = of([['flash_bytes', 'Flash', bytes], ['sram_bytes', 'SRAM', bytes], ['latency_ms', 'Latency', time]]);
  return device.length ? device : of([['parameters', 'Parameters', count], ['macs', 'Multiply-adds', count]]);
};
const cost = (run, key) => (run[key] && typeof run[key] === 'object' ? mid(run[key]) : run[key]);

/* Whether the runs differ in what they cost: else there is nothing to trade. */
const differs = (runs, key) => new Set(runs.map(run => cost(run, key)).filter(known)).size > 1;

function tradeOff(runs, front, best, [key, title, words]) {
  const shown = runs.filter(run => known(cost(run, key)) && known(run.validation_accuracy));
  if (!shown.length) return null;
  const at = run => ({ x: cost(run, key), y: run.validation_accuracy, run });
  const all = shown.map(run => run.validation_accuracy), spent = shown.map(run => cost(run, key));
  const step = 2 ** Math.ceil(Math.log2((Math.max(...spent) - Math.min(...spent)) / 4)); /* bytes go by powers of two */
  const groups = [['on the front', 'student', shown.filter(run => front.has(run.name)), { pointRadius: 7 }],
    ['off the front', 'soft', shown.filter(run => !front.has(run.name)), { pointRadius: 4 }]];
  return el('figure', el('figcaption', `Accuracy against ${title === 'SRAM' ? title : title.toLowerCase()}`),
    plot('', `Validation accuracy against ${title} of ${shown.length} runs; the best is ${best}`, () => ({
      data: { datasets: groups.filter(group => group[2].length)
        .map(([label, name, own, more]) => dots(label, own.map(at), name, more)) },
      options: {
        scales: { x: axis(title, { type: 'linear', ticks: { callback: x => words(x), stepSize: key.endsWith('_bytes') ? step : undefined } }), y: axis('validation', { suggestedMin: Math.min(...all) - 0.005, suggestedMax: Math.min(1, Math.max(...all) + 0.005), ticks: { callback: percentTick } }) },
        plugins: { legend: dotLegend(), tooltip: { callbacks: {
          label: item => ` ${item.raw.run.name}: ${percent(item.raw.y, 2)}, ${words(item.raw.x)}` } } },
      },
    })));
}

function runTable(r, runs, front) {
  const known_ = costs(runs), keys = [...new Set(runs.flatMap(run => Object.keys(run.settings || {})))];
  const what = run => (front.has(run.name) ? 'front' : run.status === 'done' ? '' : run.status || '');
  const head = ['Run', ...keys, 'Validation', 'Test', ...known_.map(k => k[1]), 'Epochs', ''];
  return el('div.scroll', { tabindex: '0' }, el('table',
    el('thead', el('tr', head.map((title, i) => el(i > keys.length && i < head.length - 1 ? 'th.num' : 'th', { scope: 'col' }, title)))),
    el('tbody', runs.map(run => el('tr', el('th' + (run.name === r.best ? '.s' : ''), { scope: 'row' }, run.name || ''),
      keys.map(key => el('td', String((run.settings || {})[key] ?? ''))),
      el('td.num', percent(run.validation_accuracy, 2) ?? none()), el('td.num', percent(run.test_accuracy, 2) ?? none()),
      known_.map(([key, , words]) => el('td.num', words(cost(run, key)) ?? none())),
      el('td.num', known(run.epochs) ? String(run.epochs) : none()),
      el('td', what(run), run.reason && el('span.range', String(run.reason))))))));
}

function sweep(r) {
  heading(r);
  const runs = list(r.runs).filter(run => run && typeof run === 'object'), front = new Set(list(r.pareto));
  const traded = costs(runs).filter(([key]) => differs(runs, key));
  const best = runs.find(run => run.name === r.best), ended = runs.filter(run => run.status === 'done');
  put(el('section.hero', el('p.pill' + (best ? '' : '.bad'), `${ended.length} of ${runs.length} runs ended`),
    el('h1', `${r.name || 'A recipe'}, swept`),
    el('p.verdict', best ? ['The best by validation is ', el('strong', best.name), ` with ${percent(best.validation_accuracy, 2)}; `,
      `it answers ${percent(best.test_accuracy, 2)} of the test samples right.`] : 'No run ended.', r.how ? ' ' + r.how : null)),
  card('The trade-offs', 'A run is on the front if no other is at least as good in everything and better in something. Accuracy is that of the validation split; the test split chose nothing.',
    traded.length ? el('div.charts', traded.map(kind => tradeOff(runs, front, r.best, kind)))
      : ended.length > 1 ? el('p', 'All runs cost the same: what was swept changes nothing on the device.') : null),
  card('The runs', null, runTable(r, runs, front)),
  r.command && card('The best, again', null, el('pre', { tabindex: '0' }, String(r.command))),
  r.recipe_text && card('The recipe', null, el('details', el('summary', 'Every default written out'),
    el('pre', { tabindex: '0' }, String(r.recipe_text)))), files(r));
}
