(() => {
  const plain = text => (text || '').replace(/\s+/gu, ' ').trim();
  const labelled = e => (e.getAttribute('aria-labelledby') || '').split(' ').filter(Boolean)
    .map(id => document.getElementById(id)).filter(Boolean).map(l => l.innerText).join(' ');
  const name = e => plain(labelled(e) || e.getAttribute('aria-label')
    || (e.labels && e.labels.length ? [...e.labels].map(l => l.innerText).join(' ') : '')
    || (/^(submit|button|reset)$/.test(e.type) && e.tagName === 'INPUT' ? e.value : '')
    || e.innerText || e.getAttribute('placeholder') || e.getAttribute('title') || '');
  // Where the element can be hit: a finger or a mouse must reach it, not what lies over it.
  const spot = e => {
    e.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
    // Elements are measured from the page's layout, presses from the part of it that the
    // screen shows; on a phone the two may differ.
    const {offsetLeft, offsetTop} = visualViewport;
    for (const r of e.getClientRects()) {
      if (r.width < 1 || r.height < 1) continue;
      const x = r.left + r.width / 2, y = r.top + r.height / 2;
      const hit = document.elementFromPoint(x, y);
      if (hit && (e === hit || e.contains(hit) || hit.contains(e) && hit.tagName === 'LABEL')) return {X: x - offsetLeft, Y: y - offsetTop};
    }
    return null;
  };
  const first = (selector, text) => {
    text = plain(text);
    const all = [...document.querySelectorAll(selector)].filter(e => !e.disabled);
    const exact = all.filter(e => name(e) === text);
    for (const e of [...exact, ...all.filter(e => name(e).includes(text) && !exact.includes(e))]) {
      const at = spot(e);
      if (at) return {e, at};
    }
    return null;
  };
  const select = e => {
    if (!e || !e.select) return false;
    e.select();
    return true;
  };
  // What only screen readers see has one pixel.
  const seen = e => { const box = e.getBoundingClientRect(); return box.width > 1 && box.height > 1 && e.checkVisibility({visibilityProperty: true}); };
  // The text and the elements inside of an element, not what decorates it.
  const content = e => [e, ...e.querySelectorAll('*')].filter(seen).flatMap(d => [
    ...d === e ? [] : [d.getBoundingClientRect()],
    ...[...d.childNodes].filter(n => n.nodeType === Node.TEXT_NODE).map(n => { const r = document.createRange(); r.selectNodeContents(n); return r.getBoundingClientRect(); }),
  ]).filter(r => r.width > 0);
  const cut = e => {
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(e.tagName) || e.closest('svg') && e.tagName !== 'svg' || !seen(e)) return false;
    const box = e.getBoundingClientRect();
    return box.left < -1 || box.right > document.documentElement.clientWidth + 1
      || getComputedStyle(e).overflowX !== 'visible' && content(e).some(r => r.left < box.left - 1 || r.right > box.right + 1);
  };
  return {
    plain, name,
    cut: () => [...document.body.querySelectorAll('*')].filter(cut).map(e => e.tagName.toLowerCase() + (e.className.baseVal ?? e.className ? '.' + (e.className.baseVal ?? e.className) : '') + ' ' + name(e).slice(0, 60)),
    // Where something to press is.
    thing: text => first('a[href],button,summary,label,input[type=submit],input[type=button],input[type=radio],input[type=checkbox],[role=button],[role=tab],[role=link]', text)?.at || null,
    // Focuses a field that can be reached and selects its content; false where there is none.
    enter: text => {
      const found = first('input:not([type=submit]):not([type=button]):not([type=hidden]),textarea', text);
      if (!found) return false;
      found.e.focus();
      return document.activeElement === found.e && select(found.e);
    },
    // Selects the content of the field that has the focus.
    select: () => select(document.activeElement),
  };
})()
