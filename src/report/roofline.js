/* roofline.js: where the time goes on the machine that trained or measured: which layers
 * take it, and how near each comes to what the processor and its memory can do. */

const passOf = l => /Grad/.test(l.op || '') ? 'gradients'
  : /Update|Track/.test(l.op || '') || !/ /.test(l.kernel || '') ? 'updates, sums, layout' : 'forward';
const PASSES = [['forward', 'student'], ['gradients', 'teacher'], ['updates, sums, layout', 'soft']];
const layerName = (l, parts) => (parts > 1 && l.part === 'teacher' ? 'teacher: ' : '') + (l.name || '');
const rate = x => known(x) ? plain(x) + THIN + 'GFLOP/s' : null;

/* The layers that take most, each as the sum of its passes; the rest in one. */
function slowest(p, most) {
  const layers = list(p.layers).filter(l => l && known(l.milliseconds));
  const parts = new Set(layers.map(l => l.part)).size, sums = new Map();
  for (const l of layers) {
    const name = layerName(l, parts);
    if (!sums.has(name)) sums.set(name, { name, total: 0 });
    const sum = sums.get(name), pass = passOf(l);
    sum[pass] = (sum[pass] || 0) + l.milliseconds;
    sum.total += l.milliseconds;
  }
  const all = [...sums.values()].sort((a, b) => b.total - a.total);
  const shown = all.slice(0, all.length > most + 1 ? most : all.length), rest = all.slice(shown.length);
  if (rest.length) {
    const sum = { name: `${rest.length} others`, total: 0 };
    for (const r of rest) for (const [key, x] of Object.entries(r)) if (known(x)) sum[key] = (sum[key] || 0) + x;
    shown.push(sum);
  }
  return shown;
}

function timeBars(p) {
  const rows = slowest(p, 13);
  if (!rows.length) return null;
  const total = rows.reduce((sum, r) => sum + r.total, 0);
  const passes = PASSES.filter(([pass]) => rows.some(r => r[pass]));
  return el('figure', el('figcaption', 'Time by layer'),
    plot('.bench', `Milliseconds of ${rows.length} layers; most, ${plain(rows[0].total)}, in ${rows[0].name}`, () => ({
      type: 'bar',
      data: {
        labels: rows.map(r => (r.name.length > 26 ? r.name.slice(0, 25) + '…' : r.name)),
        datasets: passes.map(([pass, name]) => ({
          label: pass, data: rows.map(r => r[pass] || 0), backgroundColor: colour(name), stack: 'time',
          barPercentage: 0.8, categoryPercentage: 0.94,
        })),
      },
      options: {
        indexAxis: 'y',
        scales: { x: axis('ms on one thread', { stacked: true }),
          y: axis('', { stacked: true, grid: { display: false }, ticks: { autoSkip: false, maxTicksLimit: 99, padding: 4 } }) },
        plugins: {
          legend: { display: passes.length > 1, position: 'bottom', align: 'start', labels: { boxWidth: 10, boxHeight: 10, padding: 14, color: colour('soft') } },
          tooltip: { filter: at => at.parsed.x > 0, callbacks: {
            title: at => rows[at[0].dataIndex].name,
            label: at => ` ${at.dataset.label}: ${plain(at.parsed.x)} ms, ${percent(at.parsed.x / total)}` } },
        },
      },
    })));
}

/* The names of the roofs, each along its line. */
const roofNames = roofs => ({
  id: 'roofs',
  afterDatasetsDraw(chart) {
    const { ctx, chartArea: area, scales: { x, y } } = chart;
    ctx.save();
    ctx.beginPath();
    ctx.rect(area.left, area.top, area.right - area.left, area.bottom - area.top);
    ctx.clip();
    ctx.font = `600 11px ${Chart.defaults.font.family}`;
    ctx.fillStyle = colour('ink');
    for (const { text, from, to, flat } of roofs) {
      const a = { x: x.getPixelForValue(from.x), y: y.getPixelForValue(from.y) };
      const b = { x: x.getPixelForValue(to.x), y: y.getPixelForValue(to.y) };
      ctx.save();
      ctx.translate(a.x, a.y);
      if (!flat) ctx.rotate(Math.atan2(b.y - a.y, b.x - a.x));
      ctx.textAlign = flat ? 'right' : 'left';
      ctx.fillText(text, flat ? -8 : 22, flat ? 4 : -5); /* beside the level line's begin */
      ctx.restore();
    }
    ctx.restore();
  },
});

function roofline(p) {
  const machine = p.machine || {}, peak = machine.thread_peak_gflops;
  const memories = list(machine.memory).filter(m => m && m.thread_gbytes_per_second > 0);
  const dots = list(p.layers).filter(l => l && l.flops > 0 && l.bytes > 0 && l.gflops > 0 && !(l.share < 0.001));
  if (!(peak > 0) || !memories.length || !dots.length) return null;
  const parts = new Set(dots.map(l => l.part)).size;
  const at = l => ({ x: l.flops / l.bytes, y: l.gflops, layer: l });
  const speeds = memories.map(m => m.thread_gbytes_per_second);
  const xs = dots.map(l => l.flops / l.bytes), ridges = speeds.map(s => peak / s);
  const xMin = 10 ** Math.floor(Math.log10(Math.min(...xs, ...ridges) / 1.5));
  const xMax = 1.8 * Math.max(...xs, ...ridges);
  const yMin = Math.min(...dots.map(l => l.gflops)) / 1.8, yMax = 1.7 * Math.max(peak, ...dots.map(l => l.gflops));
  const roofs = memories.map(m => {
    const speed = m.thread_gbytes_per_second, left = Math.max(xMin, yMin / speed);
    return { text: `${m.name} ${plain(speed)} GB/s`, from: { x: left, y: left * speed }, to: { x: peak / speed, y: peak } };
  });
  roofs.push({ text: `peak ${plain(peak)} GFLOP/s`, from: { x: Math.min(...ridges), y: peak }, to: { x: xMax, y: peak }, flat: true });
  const groups = [];
  for (const [pass, name] of PASSES)
    for (const part of new Set(dots.map(l => l.part))) {
      const own = dots.filter(l => l.part === part && passOf(l) === pass);
      if (own.length) groups.push([(parts > 1 ? part + ', ' : '') + pass, name, own, parts > 1 && part === 'teacher']);
    }
  const best = dots.reduce((a, b) => (b.gflops > a.gflops ? b : a));
  const powers = v => (Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-9 ? plain(v) : '');
  const logAxis = (title, min, max) => axis(title, { type: 'logarithmic', min, max,
    ticks: { callback: powers, maxTicksLimit: 99, autoSkip: false, maxRotation: 0 },
    grid: { drawTicks: false, drawBorder: false, color: c => (powers(c.tick.value) ? colour('line') : 'transparent') } });
  return el('figure', el('figcaption', 'Roofline'),
    plot('.bench', `${dots.length} layers below a roof of ${rate(peak)}; the fastest, ${best.name}, does ${rate(best.gflops)}`, () => ({
      type: 'scatter',
      data: { datasets: [
        ...groups.map(([label, name, own, teacher]) => ({
          label, data: own.map(at), pointStyle: teacher ? 'rectRot' : 'circle',
          backgroundColor: colour(name) + 'b0', borderColor: colour('card'), borderWidth: 1,
          pointRadius: own.map(l => Math.max(3, Math.min(14, 40 * Math.sqrt(l.share || 0) + 1))),
          pointHoverRadius: own.map(l => Math.max(4, Math.min(15, 40 * Math.sqrt(l.share || 0) + 2))),
        })),
        ...roofs.map(r => ({
          type: 'line', label: '', data: [r.from, r.to], borderColor: colour('ink'), borderWidth: r.flat ? 2 : 1.2,
          pointRadius: 0, pointHitRadius: 0, pointHoverRadius: 0, borderDash: r.flat ? [] : [5, 3], order: 9,
        })),
      ] },
      options: {
        interaction: { mode: 'nearest', intersect: true },
        scales: { x: logAxis('operations for each byte moved', xMin, xMax), y: logAxis('GFLOP/s', yMin, yMax) },
        plugins: {
          legend: { display: groups.length > 1, position: 'bottom', align: 'start', labels: {
            usePointStyle: true, padding: 14, color: colour('soft'), filter: item => item.text !== '' } },
          tooltip: { filter: item => !!item.raw.layer, callbacks: {
            title: items => (items.length ? layerName(items[0].raw.layer, parts) : ''),
            label: item => ` ${item.raw.layer.kernel}: ${rate(item.raw.layer.gflops)}`,
            afterLabel: item => [` ${percent(item.raw.layer.peak_share, 0)} of the peak, ${percent(item.raw.layer.share)} of the time`,
              ` ${plain(item.raw.x)} operations a byte, ${bytes(item.raw.layer.bytes)} moved`] } },
        },
      },
      plugins: [roofNames(roofs)],
    })));
}

function stepTable(p) {
  const layers = list(p.layers).filter(l => l && known(l.milliseconds)).sort((a, b) => b.milliseconds - a.milliseconds);
  const shown = layers.filter(l => !(l.share < 0.005)), rest = layers.filter(l => l.share < 0.005);
  const parts = new Set(layers.map(l => l.part)).size, most = Math.max(...shown.map(l => l.share || 0), 1e-9);
  const none = () => el('span.none', '–');
  const share = x => el('div.share', percent(x), el('div.meter', { 'aria-hidden': 'true' },
    el('i', { style: `width:${Math.min(100, 100 * x / most).toFixed(1)}%` })));
  const row = (name, kernel, l) => el('tr', el('th', { scope: 'row' }, name), el('td.wide', kernel),
    el('td.num', time(l.milliseconds)), el('td.num', share(l.share)), el('td.num', l.gflops > 0 ? plain(l.gflops) : none()),
    el('td.num.wide', l.gflops > 0 ? percent(l.peak_share, 0) : none()), el('td.num.wide', bytes(l.bytes) ?? none()));
  const sum = key => rest.reduce((total, l) => total + (l[key] || 0), 0);
  return el('details', el('summary', 'Step by step, the slowest first'),
    el('div.scroll', { tabindex: '0' }, el('table',
      el('thead', el('tr', el('th', { scope: 'col' }, 'Layer'), [['Kernel', '.wide'], ['Time', '.num'], ['Share', '.num'],
        ['GFLOP/s', '.num'], ['Of the peak', '.num.wide'], ['Moved', '.num.wide']].map(([title, kind]) => el('th' + kind, { scope: 'col' }, title)))),
      el('tbody', shown.map(l => row(layerName(l, parts), l.kernel || '', l)),
        rest.length ? row(`${rest.length} smaller ones`, '', { milliseconds: sum('milliseconds'), share: sum('share'), bytes: sum('bytes') }) : null))));
}

function profileTiles(p) {
  const m = p.machine || {};
  const threads = known(m.threads) ? `${m.threads} thread${m.threads === 1 ? '' : 's'}` : null;
  return el('section.tiles', { 'aria-label': 'The speed in figures' },
    tile('Speed', known(p.images_per_second) ? Math.round(p.images_per_second) + THIN + 'images/s' : null, threads && `on ${threads}`),
    tile('Rate', rate(p.gflops), known(p.peak_share) && known(m.peak_gflops) ? `${percent(p.peak_share, 0)} of a peak of ${plain(m.peak_gflops)}` : null),
    tile('One step', time(p.step_milliseconds), known(p.batch) ? `${p.batch} images` : null),
    tile('Waits for data', percent(p.idle_share), 'of the time'),
    tile('Memory', bytes(p.memory_bytes), 'values, weights and scratch'));
}

const STEP = { live: 'A training step, its teacher asked live', cached: 'A training step, its teacher\'s answers cached', none: 'A training step, without a teacher' };

function profile(r) {
  const p = r.profile || {};
  if (!list(p.layers).length) return null;
  const charts = [timeBars(p), roofline(p)].filter(Boolean);
  const what = STEP[p.teacher] || 'Inference';
  const alone = !r.student;
  const c = card('Where the time goes', `${what}, measured layer by layer on one thread. A larger dot takes more time. `
    + 'Left of the roof\'s corner a layer is bound by memory, right of it by the processor; the nearer to its line, the better. '
    + 'Winograd\'s convolutions do fewer operations than they are counted for, so that they may pass the roof.',
  !alone && facts([['Speed', known(p.images_per_second) && `${count(Math.round(p.images_per_second))} images a second, `
      + [known(p.batch) && `${p.batch} a step`, time(p.step_milliseconds)].filter(Boolean).join(' of ')],
  ['Rate', known(p.gflops) && [rate(p.gflops), percent(p.peak_share, 0) && `${percent(p.peak_share, 0)} of the peak`].filter(Boolean).join(', ')],
  ['Waits for data', known(p.idle_share) && percent(p.idle_share) + ' of the time']].filter(([, x]) => x)),
  el('div.charts' + (charts.length < 2 ? '.one' : ''), charts), stepTable(p));
  return alone ? [profileTiles(p), c] : [c];
}

function profileVerdict(p) {
  const bold = text => el('strong', text), m = p.machine || {};
  const q = el('p.verdict', `${STEP[p.teacher] || 'Inference'}: `, bold(`${count(Math.round(p.images_per_second)) ?? 'unknown'} images a second`));
  if (known(p.gflops) && known(p.peak_share))
    q.append(`, ${rate(p.gflops)}, which is `, bold(percent(p.peak_share, 0)), ` of what ${m.threads === 1 ? 'one thread' : `${m.threads} threads`} can do`);
  q.append('.');
  return q;
}
