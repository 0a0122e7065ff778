/* pressed.js: what pruning and int8 took from the student, and what they cost. */
'use strict';

function pruned(r) {
  const p = r.pruned;
  if (!p || !['macs', 'parameters'].every(x => known(p[x + '_before']) && known(p[x + '_after']))) return null;
  const rows = [['Multiply-adds', 'macs', count], ['Parameters', 'parameters', count],
    ['Accuracy in validation', 'validation', x => percent(x, 2)]];
  const kind = key => (key === 'validation' ? 'accuracy' : key);
  const layers = list(p.layers).filter(l => l && known(l.channels_before) && l.channels_after < l.channels_before);
  return card('Pruned', `Channels were taken off by ${p.method}, then the student was fine-tuned.`,
    twoForms('Whole', 'Pruned', rows.map(([title, key, words]) => [title, kind(key), words, p[key + '_before'], p[key + '_after']])),
    layers.length > 0 && el('details', el('summary', `Channels of ${many(layers.length, 'layer')}`), el('div.scroll', { tabindex: '0' },
      el('table', el('thead', el('tr', el('th', { scope: 'col' }, 'Layer'), el('th.num', { scope: 'col' }, 'Whole'),
        el('th.num.s', { scope: 'col' }, 'Pruned'))), el('tbody', layers.map(l => el('tr', el('th', { scope: 'row' }, String(l.name)),
        el('td.num', plain(l.channels_before, 9)), el('td.num.s', plain(l.channels_after, 9)))))))));
}

/* rows: [title, key, words, from, to] each; without those of which nothing is known */
function twoForms(from, to, rows) {
  const some = rows.filter(([, , , x, y]) => known(figureOf(x)) || known(figureOf(y)));
  return el('div.scroll', el('table', el('thead', el('tr', el('th', { scope: 'col' }, el('span.hide', 'Figure')),
    el('th.num', { scope: 'col' }, from), el('th.num.s', { scope: 'col' }, to), el('th.num', { scope: 'col' }, 'Compared'))),
  el('tbody', some.map(([title, key, words, x, y]) => el('tr', el('th', { scope: 'row' }, title),
    el('td.num', figureCell(x, words)), el('td.num.s', figureCell(y, words)), el('td.num.of', compared(key, x, y)))))));
}

/* The least signal to noise is the layer that int8 hurts most. */
function layerNoise(q) {
  const layers = list(q.layers).filter(l => l && typeof l === 'object');
  if (!layers.length) return null;
  const most = Math.max(...layers.map(l => l.sqnr_db || 0), 1);
  const exact = l => (l.sqnr_db === null ? 'exact' : null);
  return el('details', el('summary', 'What each layer loses'),
    el('p', { style: 'margin-top:10px' }, 'Signal to quantisation noise of each layer as calibrated, the loss of the layers before it included: the shorter the bar, the more int8 costs there.'),
    el('div.scroll', { tabindex: '0' }, el('table', el('thead', el('tr', el('th', { scope: 'col' }, 'Layer'),
      el('th.wide', { scope: 'col' }, 'Operator'), el('th.num', { scope: 'col' }, 'Signal to noise'), el('th.num.wide', { scope: 'col' }, 'Error'))),
    el('tbody', layers.map(l => el('tr', el('th', { scope: 'row' }, String(l.name ?? '')), el('td.wide', String(l.op ?? '')),
      el('td.num', el('div.share', exact(l) ?? (known(l.sqnr_db) ? plain(l.sqnr_db) + THIN + 'dB' : missing()), known(l.sqnr_db)
        && el('div.meter', { 'aria-hidden': 'true' }, el('i', { style: `width:${Math.max(0, 100 * l.sqnr_db / most).toFixed(1)}%` })))),
      el('td.num.wide', percent(l.relative_rms, 2) ?? missing())))))));
}

function int8(r) {
  const q = r.int8, s = r.student || {};
  if (!q || !known(q.accuracy)) return null;
  const f = q.in_floats || {};
  const how = q.mode === 'qat' ? `Calibrated, then trained on for ${many(q.epochs, 'epoch')} as it is deployed` : 'Calibrated after training';
  const same = known(q.agreement_with_float) ? `; it answers as in floats on ${percent(q.agreement_with_float, 2)} of the test samples.` : '.';
  return card('In int8', how + same, twoForms('In floats', 'In int8', [
    ['Accuracy', 'accuracy', x => percent(x, 2), s.accuracy, q.accuracy],
    ['Calibration error', 'ece', x => percent(x, 2), s.ece, q.ece],
    ['Flash', 'flash_bytes', bytes, f.flash_bytes, f.flash_bytes && s.flash_bytes],
    ['SRAM', 'sram_bytes', bytes, f.sram_bytes, f.sram_bytes && s.sram_bytes],
    ['Latency', 'latency_ms', time, f.latency_ms, f.latency_ms && s.latency_ms],
    ['Energy', 'energy_uj', energy, f.energy_uj, f.energy_uj && s.energy_uj],
    ['Weights', 'weight_bytes', bytes, f.weight_bytes, q.weight_bytes]]), layerNoise(q));
}
