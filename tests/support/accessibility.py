"""Rules of the Web Content Accessibility Guidelines that a script can judge.

Source: https://www.w3.org/TR/WCAG22/, level AA. Excludes what needs a person: whether words are helpful.
"""

from typing import Final

from playwright.async_api import Page


async def violations(page: Page) -> list[str]:
    """Broken rules of the page as shown: structure, labels, tables, contrast and sizes of targets."""
    found: list[str] = await page.evaluate(_RULES)
    return found


async def overflow(page: Page) -> list[str]:
    """Elements that make the body scroll sideways; those that scroll by themselves may be wide."""
    found: list[str] = await page.evaluate(_OVERFLOW)
    return found


_RULES: Final = r"""() => {
  const found = [];
  const name = (e) => `<${e.tagName.toLowerCase()}${e.id ? '#' + e.id : ''}> ` +
    `${JSON.stringify((e.innerText || e.value || '').trim().slice(0, 40))}`;
  const all = (selector) => [...document.querySelectorAll(selector)];
  const shown = (e) => e.checkVisibility({visibilityProperty: true, opacityProperty: true}) &&
    e.getClientRects().length > 0;

  // 3.1.1 language, 2.4.2 title, 1.3.1 structure
  if (!document.documentElement.lang) found.push('no lang');
  if (!document.title.trim()) found.push('no title');
  if (all('h1').filter(shown).length !== 1) found.push(`${all('h1').filter(shown).length} visible <h1>`);
  if (all('main').length !== 1) found.push('not one <main>');
  if (!all('nav').length) found.push('no <nav>');
  let level = 0;
  for (const each of all('h1, h2, h3, h4, h5, h6').filter(shown)) {
    const next = Number(each.tagName[1]);
    if (next > level + 1) found.push(`heading level ${level} is followed by ${next}: ${name(each)}`);
    level = next;
  }
  const ids = all('[id]').map((e) => e.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) found.push(`id ${id} twice`);

  // 4.1.2 names of controls, 1.1.1 images
  const labelled = (e) => e.getAttribute('aria-label')?.trim() || e.labels?.length && e.labels[0].innerText.trim() ||
    (e.getAttribute('aria-labelledby') || '').split(' ').some((id) => document.getElementById(id)?.innerText.trim());
  for (const each of all('input:not([type=hidden]):not([type=submit]), select, textarea')) {
    if (!labelled(each)) found.push(`no label: ${each.outerHTML.slice(0, 80)}`);
  }
  for (const each of all('a[href], button, summary').filter(shown)) {
    const image = each.querySelector('img[alt]:not([alt=""]), svg[aria-label], svg title');
    if (!each.innerText.trim() && !labelled(each) && !image) found.push(`no name: ${each.outerHTML.slice(0, 80)}`);
  }
  for (const each of all('img:not([alt])')) found.push(`no alt: ${each.outerHTML.slice(0, 80)}`);

  // 1.3.1 tables
  for (const table of all('table').filter(shown)) {
    if (!table.querySelector('th')) found.push(`a table without <th>: ${name(table)}`);
    for (const th of table.querySelectorAll('th:not([scope])')) found.push(`<th> without scope: ${name(th)}`);
    if (!table.caption && !labelled(table)) found.push(`a table without a caption or label: ${name(table)}`);
  }

  // 2.1.1 areas that scroll can be reached by keyboard
  for (const each of all('body *').filter(shown)) {
    const style = getComputedStyle(each);
    const scrolls = ['auto', 'scroll'].includes(style.overflowX) && each.scrollWidth > each.clientWidth + 1;
    if (scrolls && each.tabIndex < 0 && !each.querySelector('a[href], button, input')) {
      found.push(`scrolls, and can't be focused: ${name(each)}`);
    }
  }

  // 1.4.3 contrast
  const pen = Object.assign(document.createElement('canvas'), {width: 1, height: 1})
    .getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => {
    pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((v, i) => v * a + below[i] * (1 - a));
  const behind = (e) => {
    if (!e) return rgba('Canvas').slice(0, 3);
    const colour = rgba(getComputedStyle(e).backgroundColor);
    return colour[3] === 1 ? colour.slice(0, 3) : over(colour, behind(e.parentElement));
  };
  const luminance = (rgb) => rgb.map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const judged = new Set();
  while (texts.nextNode()) {
    const each = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || judged.has(each) || !shown(each)) continue;
    judged.add(each);
    const ground = behind(each);
    const contrast = ratio(over(rgba(getComputedStyle(each).color), ground), ground);
    if (contrast < 4.5) found.push(`contrast ${contrast.toFixed(2)}: ${name(each)}`);
  }
  for (const each of all('::placeholder, input[placeholder]').filter(shown)) {
    const ground = behind(each);
    const contrast = ratio(over(rgba(getComputedStyle(each, '::placeholder').color), ground), ground);
    if (each.placeholder && contrast < 4.5) found.push(`contrast ${contrast.toFixed(2)} of a placeholder`);
  }

  // 2.5.8 targets; links within a text are excepted
  for (const each of all('button, input:not([type=hidden]), select, summary, nav a[href]').filter(shown)) {
    const {width, height} = each.getBoundingClientRect();
    const label = each.labels?.[0]?.getBoundingClientRect();
    if (Math.max(height, label?.height || 0) < 24 || width < 24 && !label) {
      found.push(`a target of ${width.toFixed()} x ${height.toFixed()}: ${name(each)}`);
    }
  }
  return found;
}"""

_OVERFLOW: Final = r"""() => {
  const root = document.documentElement;
  const width = root.clientWidth;
  if (Math.max(root.scrollWidth, document.body.scrollWidth) <= width) return [];
  const inScroller = (e) => {
    for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) {
      if (getComputedStyle(p).overflowX !== 'visible') return true;
    }
    return false;
  };
  return [...document.querySelectorAll('body *')]
    .filter((e) => e.getBoundingClientRect().right > width + 1 && !inScroller(e))
    .map((e) => `${e.getBoundingClientRect().right.toFixed()} of ${width}: ${e.outerHTML.slice(0, 80)}`)
    .concat([`the body is ${root.scrollWidth} wide, of ${width}`]);
}"""
