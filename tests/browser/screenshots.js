// Pictures of every page, as people see it: light and dark, on a desk and on a phone. `tests/run screenshots [DIR]`; those of
// the console alone with a second argument, `console`.

import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Services } from '../node/backend.js';
import { Browser } from './lib/chromium.js';
import { consoleAtWork, walk } from './lib/gallery.js';
import { World } from './lib/world.js';

const WINDOWS = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

const folder = resolve(process.argv[2] ?? 'screenshots');
await mkdir(folder, { recursive: true });
/** Its database is new, so that addresses and codes of libraries can be the same in the pictures of every run. */
class Studio extends World {
  freshAddress(name) {
    return `${name}@example.org`;
  }
  freshCode(name) {
    return name;
  }
}

const world = new Studio(new Services(), { SITES__READER__NAME: 'City Library', SITES__MANAGEMENT__NAME: 'City Library Staff' });
const browsers = [];
let pictures = 0;
try {
  await world.start();
  const open = async (options) => {
    const browser = await Browser.open(world.chromium, options);
    browsers.push(browser);
    return browser;
  };
  const way = process.argv[3] === 'console' ? consoleAtWork : walk;
  await way(world, open, async (name, page) => {
    for (const [kind, size] of Object.entries(WINDOWS)) {
      for (const colorScheme of ['light', 'dark']) {
        await page.setViewportSize(size);
        await page.emulateMedia({ colorScheme });
        await page.screenshot({ path: join(folder, `${name}-${kind}-${colorScheme}.png`), fullPage: true, animations: 'disabled' });
        pictures += 1;
      }
    }
  });
} finally {
  for (const browser of browsers) await browser.context.close();
  await world.stop();
}
console.log(`${pictures} pictures in ${folder}`);
