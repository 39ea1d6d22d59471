'use strict';
// A cursor over all drawings that share the axis of time, with their figures at that moment, and a way
// to look closer. The drawings themselves are in the page; nothing is fetched.
(() => {
  const run = JSON.parse(document.getElementById('run').textContent);
  const charts = document.getElementById('charts');
  if (!charts) return;
  const { pieces, keys } = run;
  const end = Math.max(run.duration_s, 0.001);
  const shortest = Math.min(end, 0.2);
  const plots = [...charts.querySelectorAll('.plot')];
  const axis = charts.querySelector('.axis');
  const told = document.getElementById('moment');
  let view = [0, end];
  let at = null;
  let drag = null;
  document.body.classList.add('scripted');

  // Figures as the rest of the page writes them.
  const digits = (value, most) => String(+value.toFixed(most));
  const us = value => value === null || value === undefined ? '-'
    : value < 1000 ? `${value}us` : value < 1e6 ? `${digits(value / 1e3, 2)}ms` : `${digits(value / 1e6, 2)}s`;
  const rate = (count, length) => `${digits(count / length, 0)}/s`;
  const seconds = value => `${value.toFixed(2)} s`;

  // The last place whose start is not after `time`; -1: there is none.
  const place = (starts, time) => {
    let low = 0, high = starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= time) low = middle + 1; else high = middle;
    }
    return low - 1;
  };
  const pieceAt = time => {
    const index = place(pieces.at_s, time);
    return index >= 0 && time <= pieces.at_s[index] + pieces.length_s[index] ? index : -1;
  };
  const count = (names, index) => names.reduce((sum, name) => sum + (pieces.outcomes[name] || [])[index], 0);
  const of = (name, index) => pieces.outcomes[name] ? pieces.outcomes[name][index] : 0;

  // For each row, what stands beside each of its colours at a moment.
  const readers = {
    nodes(time) {
      const faults = [], states = { closed: [], open: [], half_open: [] };
      for (const node of run.nodes) {
        const now = ([from, to]) => from <= time && time < to;
        if (node.faults.some(now)) faults.push(node.name);
        const state = node.states.find(now);
        if (state) states[state[2]].push(node.name);
      }
      const names = list => list.join(' ') || 'none';
      return { under: names(faults), closed: names(states.closed), open: names(states.open), half_open: names(states.half_open) };
    },
    throughput: (_, index) => stacked(keys.throughput, index),
    errors: (_, index) => stacked(keys.errors, index),
    bad(_, index) {
      if (index < 0) return {};
      const figures = { others: '0' };
      for (const [key, names] of Object.entries(keys.bad)) figures[key] = String(count(names, index));
      return figures;
    },
    times(_, index) {
      const figures = {};
      for (const [key, values] of Object.entries(pieces.response_time_us)) figures[key] = us(values[index]);
      return figures;
    },
    hits(_, index) {
      const reads = index < 0 ? 0 : of('hit', index) + of('miss', index) + of('false_miss', index);
      return { hits: reads ? `${(100 * of('hit', index) / reads).toFixed(2)}%` : '-' };
    },
    requests: time => wire(run.wire.requests, time),
    connects: time => wire(run.wire.connects, time),
    open(time) {
      const index = place(run.open.at_s, time), figures = {};
      for (const [key, values] of Object.entries(run.open.open)) {
        const value = index < 0 ? null : values[index];
        figures[key] = value === null ? '-' : String(value);
      }
      return figures;
    },
    late(time) {
      const now = run.late.filter(([from, length]) => from <= time && time <= from + Math.max(length / 1e6, 0.1));
      return { late: now.length ? us(Math.max(...now.map(([, length]) => length))) : '-' };
    },
  };
  const stacked = (classes, index) => {
    if (index < 0) return {};
    const figures = { others: '0/s' };
    for (const [key, names] of Object.entries(classes)) {
      figures[key] = rate(count(names, index), pieces.length_s[index]);
    }
    return figures;
  };
  const wire = (groups, time) => {
    const figures = {}, length = run.wire.length_s;
    if (!length) return figures;
    const index = Math.floor(time / length + 1e-9);
    for (const [key, values] of Object.entries(groups)) {
      figures[key] = index < values.length ? rate(values[index], length) : '-';
    }
    return figures;
  };

  const rows = [...charts.querySelectorAll('[data-row]')].map(row => ({
    read: readers[row.dataset.row],
    outputs: [...row.querySelectorAll('output[data-key]')],
  }));
  for (const plot of plots) {
    for (const name of ['cursor', 'chosen']) {
      const mark = document.createElement('div');
      mark.className = name;
      mark.hidden = true;
      plot.append(mark);
    }
  }
  const marks = name => charts.querySelectorAll(`.${name}`);
  const share = time => (time - view[0]) / (view[1] - view[0]);

  const showMoment = () => {
    const index = at === null ? -1 : pieceAt(at);
    const inView = at !== null && at >= view[0] && at <= view[1];
    for (const mark of marks('cursor')) {
      mark.hidden = !inView;
      if (inView) mark.style.left = `${share(at) * 100}%`;
    }
    for (const { read, outputs } of rows) {
      const figures = at === null ? {} : read(at, index);
      // A colour that nothing came to in the whole run is 0; where nobody looked stands a dash.
      for (const output of outputs) output.textContent = at === null ? '' : figures[output.dataset.key] ?? figures.others ?? '-';
    }
    const phase = at === null ? null : run.phases.find(([, from, to]) => from <= at && at <= to);
    const whole = view[0] === 0 && view[1] === end;
    const range = whole ? 'The whole run' : `${seconds(view[0])} to ${seconds(view[1])}`;
    told.textContent = at === null ? range : `${seconds(at)}${phase ? `, ${phase[0]}` : ''}`;
    told.dataset.piece = index;
  };

  const step = wanted => {
    const unit = 10 ** Math.floor(Math.log10(wanted));
    return [1, 2, 5, 10].map(factor => factor * unit).find(round => round >= wanted * 0.999);
  };
  const showView = () => {
    const [from, to] = view;
    for (const plot of plots) {
      const svg = plot.querySelector('svg');
      svg.setAttribute('viewBox', `${from * 1000} 0 ${(to - from) * 1000} 1000`);
    }
    const each = step((to - from) / 6);
    const decimals = Math.max(0, -Math.floor(Math.log10(each) + 1e-9));
    axis.replaceChildren();
    for (let label = Math.ceil(from / each - 1e-9) * each; label <= to; label += each) {
      const span = document.createElement('span');
      span.style.left = `${share(label) * 100}%`;
      span.className = share(label) < 0.03 ? 'first' : share(label) > 0.97 ? 'last' : '';
      span.textContent = `${label.toFixed(decimals)} s`;
      axis.append(span);
    }
    showMoment();
  };
  const look = (from, to) => {
    const length = Math.min(Math.max(to - from, shortest), end);
    const start = Math.min(Math.max(from, 0), end - length);
    view = end - length < 1e-6 ? [0, end] : [start, start + length];
    showView();
  };
  const zoom = factor => {
    const middle = at === null ? (view[0] + view[1]) / 2 : at;
    const length = (view[1] - view[0]) * factor;
    look(middle - length * share(middle), middle + length * (1 - share(middle)));
  };
  const all = () => look(0, end);

  const timeOf = event => {
    const box = plots[0].getBoundingClientRect();
    const part = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    return view[0] + part * (view[1] - view[0]);
  };
  charts.addEventListener('pointerdown', event => {
    if (event.button === 0 && event.target.closest('.plot')) drag = timeOf(event);
  });
  charts.addEventListener('pointermove', event => {
    if (drag === null && !event.target.closest('.plot')) return;
    at = timeOf(event);
    const isDrag = drag !== null && Math.abs(share(at) - share(drag)) > 0.01;
    for (const mark of marks('chosen')) {
      mark.hidden = !isDrag;
      if (!isDrag) continue;
      mark.style.left = `${share(Math.min(at, drag)) * 100}%`;
      mark.style.width = `${Math.abs(share(at) - share(drag)) * 100}%`;
    }
    showMoment();
  });
  window.addEventListener('pointerup', event => {
    if (drag === null) return;
    const from = drag, to = timeOf(event);
    drag = null;
    for (const mark of marks('chosen')) mark.hidden = true;
    if (Math.abs(share(to) - share(from)) > 0.01) look(Math.min(from, to), Math.max(from, to));
  });
  window.addEventListener('pointercancel', () => {
    drag = null;
    for (const mark of marks('chosen')) mark.hidden = true;
  });
  charts.addEventListener('pointerleave', () => {
    if (drag === null) { at = null; showMoment(); }
  });
  charts.addEventListener('dblclick', event => { if (event.target.closest('.plot')) all(); });
  for (const button of charts.querySelectorAll('[data-zoom]')) {
    button.addEventListener('click', () => {
      ({ in: () => zoom(0.5), out: () => zoom(2), all })[button.dataset.zoom]();
    });
  }

  // From piece to piece, and on when the cursor leaves what is seen.
  const move = by => {
    const last = pieces.at_s.length - 1;
    const from = at === null ? (by > 0 ? Math.max(place(pieces.at_s, view[0]), 0) - 1 : place(pieces.at_s, view[1]) + 1) : place(pieces.at_s, at);
    const to = Math.min(Math.max(from + by, 0), last);
    at = last < 0 ? Math.min(Math.max((at ?? view[0]) + by * 0.1, 0), end) : pieces.at_s[to] + pieces.length_s[to] / 2;
    const length = view[1] - view[0];
    if (at < view[0] || at > view[1]) look(at - length / 2, at + length / 2); else showMoment();
  };
  charts.addEventListener('keydown', event => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest('button')) return;
    const far = event.shiftKey ? 10 : 1;
    const act = {
      ArrowLeft: () => move(-far), ArrowRight: () => move(far), Home: () => move(-Infinity), End: () => move(Infinity),
      '+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2), 0: all, Escape: () => { at = null; all(); },
    }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  showView();
})();
