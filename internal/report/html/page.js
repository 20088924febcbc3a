(function () {
  'use strict';
  var data = JSON.parse(document.getElementById('data').textContent);
  var report = data.report, all = data.findings || [];
  var order = ['critical', 'high', 'medium', 'low', 'info'];
  var controls = {};
  (report.controls || []).forEach(function (c) { controls[c.id] = c; });
  function $(id) { return document.getElementById(id); }
  function el(tag, cls, text) {
    var e = document.createElement(tag);
    if (cls) e.className = cls;
    if (text !== undefined) e.textContent = text;
    return e;
  }
  function colour(e, name) { e.style.setProperty('--c', 'var(--' + name + ')'); return e; }
  var s = report.scan;
  $('scanned').textContent = (s.sources || []).join(', ') + ': ' + s.files + ' files, ' + s.objects + ' objects, ' + s.podTemplates + ' pod templates, ' + s.controls + ' controls';
  function name(o) { return o ? (o.namespace ? o.namespace + '/' : '') + o.kind + '/' + o.name : ''; }
  function count(label, n, c, pick) {
    var b = colour(el('button', 'count'), c);
    b.type = 'button';
    b.append(el('b', '', n), el('span', '', label));
    if (pick) b.onclick = pick; else b.disabled = true;
    $('counts').append(b);
  }
  order.forEach(function (k) { count(k, report.summary.fail[k], k, function () { $('severity').value = k; $('verdict').value = 'fail'; show(); }); });
  count('passed', report.summary.pass, 'pass');
  count('waived', report.summary.waived, 'info', function () { $('severity').value = ''; $('verdict').value = 'waived'; show(); });
  count('unknown', report.summary.unknown, 'info', function () { $('severity').value = ''; $('verdict').value = 'unknown'; show(); });
  var levels = {};
  (report.podSecurity || []).forEach(function (p) { levels[p.level] = (levels[p.level] || 0) + 1; });
  var total = (report.podSecurity || []).length;
  if (total) {
    var parts = [], bar = el('div', 'bar');
    [['restricted', 'pass'], ['baseline', 'medium'], ['privileged', 'high'], ['unknown', 'info']].forEach(function (l) {
      if (!levels[l[0]]) return;
      parts.push(levels[l[0]] + ' ' + l[0]);
      var i = el('i');
      i.style.width = (100 * levels[l[0]] / total) + '%';
      i.style.background = 'var(--' + l[1] + ')';
      bar.append(i);
    });
    $('levels').append(el('div', '', 'Pod Security: ' + parts.join(', ')), bar);
  }
  function options(id, values) {
    values.forEach(function (v) { var o = el('option', '', v); o.value = v; $(id).append(o); });
  }
  function distinct(f) {
    var seen = {};
    all.forEach(function (x) { var v = f(x); if (v) seen[v] = true; });
    return Object.keys(seen).sort();
  }
  options('severity', order);
  options('control', distinct(function (f) { return f.control; }));
  options('namespace', distinct(function (f) { return f.object && f.object.namespace; }));
  options('kind', distinct(function (f) { return f.object && f.object.kind; }));
  options('verdict', ['fail', 'unknown', 'waived', 'pass', 'not-applicable', 'any']);
  all.forEach(function (f, i) {
    f.at = i;
    var m = f.maps || {};
    f.text = [f.control, name(f.object), f.container, f.path, f.location.file, f.message, m.pss, (m.cis || []).join(' '), (m.owasp || []).join(' '), (m.mitre || []).join(' '), (f.requirements || []).join(' ')].join(' ').toLowerCase();
  });
  all.sort(function (a, b) { return order.indexOf(a.severity) - order.indexOf(b.severity) || a.at - b.at; });
  function body(f) {
    var b = el('div', 'body'), c = controls[f.control] || {};
    function part(head, text) { if (text) b.append(el('h3', '', head), el('p', '', text)); }
    if (f.lines) {
      var pre = el('pre');
      f.lines.forEach(function (line, i) {
        var n = f.first + i, row = el('span', n === f.location.line ? 'hit' : '');
        row.append(el('i', '', n), document.createTextNode(line));
        pre.append(row);
      });
      b.append(pre);
    }
    part('Field', f.path);
    part('Why it matters', c.rationale);
    part('Fix (' + (f.fix ? f.fix.safety : '') + ')', f.fix && f.fix.text);
    part('Waive when', c.exceptions);
    (f.values || []).forEach(function (v) { part('Helm value ' + v.key, v.value + (v.from ? ' (' + v.from + ')' : '')); });
    if (f.waiver) part('Waived', [f.waiver.reason, f.waiver.owner && 'by ' + f.waiver.owner, f.waiver.until && 'until ' + f.waiver.until, f.waiver.source].filter(Boolean).join(', '));
    var m = f.maps || {}, tags = el('div');
    (m.pss ? ['PSS ' + m.pss] : []).concat((m.cis || []).map(function (x) { return 'CIS ' + x; }), (m.owasp || []).map(function (x) { return 'OWASP ' + x; }), m.mitre || [], f.requirements || []).forEach(function (t) { tags.append(el('span', 'tag', t)); });
    b.append(tags);
    return b;
  }
  function row(f) {
    var d = colour(el('details'), f.severity), sum = el('summary'), what = el('div', 'what');
    what.append(el('b', '', f.control + (f.baseline === 'new' ? ' (new)' : '')), document.createTextNode(' ' + f.message));
    what.append(el('div', 'where', name(f.object) + (f.container ? ' [' + f.container + ']' : '') + '  ' + f.location.file + (f.location.line ? ':' + f.location.line : '')));
    sum.append(el('span', 'sev', f.verdict === 'fail' ? f.severity : f.verdict), what);
    d.append(sum);
    d.addEventListener('toggle', function () { if (d.open && d.children.length === 1) d.append(body(f)); });
    return d;
  }
  var page = 100, hits = [], drawn = 0;
  function more() {
    var part = document.createDocumentFragment();
    hits.slice(drawn, drawn + page).forEach(function (f) { part.append(row(f)); });
    drawn = Math.min(drawn + page, hits.length);
    $('findings').append(part);
    $('more').hidden = drawn >= hits.length;
    $('shown').textContent = drawn + ' of ' + hits.length;
  }
  function show() {
    var words = $('q').value.toLowerCase().split(/\s+/).filter(Boolean);
    var sev = $('severity').value, con = $('control').value, ns = $('namespace').value, kind = $('kind').value, verdict = $('verdict').value;
    hits = all.filter(function (f) {
      return (verdict === 'any' || f.verdict === verdict) && (!sev || f.severity === sev) && (!con || f.control === con) &&
        (!ns || f.object && f.object.namespace === ns) && (!kind || f.object && f.object.kind === kind) &&
        words.every(function (w) { return f.text.indexOf(w) >= 0; });
    });
    drawn = 0;
    $('findings').textContent = '';
    more();
  }
  ['severity', 'control', 'namespace', 'kind', 'verdict'].forEach(function (id) { $(id).addEventListener('change', show); });
  $('q').addEventListener('input', show);
  $('filters').addEventListener('submit', function (e) { e.preventDefault(); });
  $('more').onclick = more;
  if ((report.gaps || []).length) {
    $('gaps').append(el('h2', '', 'Could not be read'));
    report.gaps.forEach(function (g) { $('gaps').append(el('p', '', g.what + ': ' + g.why + (g.file ? ' (' + g.file + (g.line ? ':' + g.line : '') + ')' : ''))); });
  }
  show();
})();
