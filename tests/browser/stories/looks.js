// What holds of every page: it fits small windows, and people who see, hear or move differently can use it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import axe from 'axe-core';
import { walk } from '../lib/gallery.js';

const WIDTHS = [320, 390, 1280];
const RULES = { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] };

export function lookStories(world) {
  describe('every page', () => {
    const seen = new Set();
    const wide = [];
    const violations = [];

    const look = async (name, page) => {
      seen.add(name);
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 844 });
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (over > 0) wide.push(`${name} at ${width}: ${over} too wide`);
      }
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        await page.evaluate(axe.source);
        const { violations: found, passes } = await page.evaluate((rules) => globalThis.axe.run(rules), RULES);
        assert.ok(passes.length > 10, `axe looked at too little of ${name}`);
        for (const { id, impact, nodes } of found) {
          violations.push({ impact, text: `${name}, ${colorScheme}: ${id} at ${nodes.map(({ target }) => target).join(' and ')}` });
        }
      }
    };

    it('can be walked to', { timeout: 300_000 }, async (test) => {
      await walk(world, (options) => world.browser(test, options), look);
      assert.ok(seen.size >= 25, `only ${seen.size} pages were seen`);
    });

    it('needs no scrolling sideways, from 320 pixels on', () => {
      assert.ok(seen.size > 0);
      assert.deepEqual(wide, []);
    });

    it('has no serious or critical barrier that axe finds, light and dark', (test) => {
      assert.ok(seen.size > 0);
      const isGrave = ({ impact }) => impact === 'serious' || impact === 'critical';
      for (const { impact, text } of violations.filter((one) => !isGrave(one))) test.diagnostic(`${impact}: ${text}`);
      assert.deepEqual(violations.filter(isGrave).map(({ text }) => text), []);
    });
  });
}
