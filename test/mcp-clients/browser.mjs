// A person's browser: it follows redirects, keeps cookies by host, and sends the forms of the pages
// with their first button, until it is sent back to the program that began. At the sandbox's page
// it is PERSON, or the first that there is; with WRITE=no it unticks the box of writing.
//
//   node browser.mjs <address>          go there, and open what the program is called back at
//   node browser.mjs --print <address>  print that address instead
import { pathToFileURL } from 'node:url';

const text = (html) => html.replaceAll('&#43;', '+').replaceAll('&#34;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
const attribute = (tag, name) => text(tag.match(new RegExp(` ${name}="([^"]*)"`))?.[1] ?? '');

// filled is the first form of a page as a person sends it.
function filled(page, base, person, write) {
  const form = page.match(/<form[^>]*>/)?.[0];
  const button = page.match(/<button[^>]*>/)?.[0];
  if (!form || !button) return undefined;
  const body = new URLSearchParams();
  for (const [input] of page.matchAll(/<input[^>]*>/g)) {
    if (attribute(input, 'type') === 'hidden' || write) body.append(attribute(input, 'name'), attribute(input, 'value'));
  }
  const select = page.match(/<select[^>]*>/)?.[0];
  if (select) body.append(attribute(select, 'name'), person ?? attribute(page.match(/<option[^>]*>/)[0], 'value'));
  body.append(attribute(button, 'name'), attribute(button, 'value'));
  return [new URL(attribute(form, 'action'), base), { method: 'POST', body }];
}

export async function browse(address, { person = process.env.PERSON, write = process.env.WRITE !== 'no' } = {}) {
  const began = new URL(address);
  const program = began.searchParams.get('redirect_uri');
  const cookies = new Map();
  let request = [began, {}];
  for (let hops = 0; hops < 12; hops++) {
    const [at, init] = request;
    const cookie = [...(cookies.get(at.host) ?? [])].map(([k, v]) => `${k}=${v}`).join('; ');
    const res = await fetch(at, { redirect: 'manual', ...init, headers: cookie ? { cookie } : {} });
    const kept = cookies.get(at.host) ?? new Map();
    for (const line of res.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
      kept.set(name, value);
    }
    cookies.set(at.host, kept);
    const location = res.headers.get('location');
    if (location) {
      const to = new URL(location, at);
      if (to.href.startsWith(program)) return to;
      request = [to, {}];
      continue;
    }
    const page = await res.text();
    request = filled(page, at, person, write);
    if (!request) throw new Error(`the pages stopped at ${at.pathname} with ${res.status}: ${page}`);
  }
  throw new Error('the pages go in circles');
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const back = await browse(process.argv.at(-1));
  if (process.argv.includes('--print')) {
    console.log(back.href);
  } else {
    // A program may listen only after it has opened the browser, for people take longer than this one.
    let res;
    for (let tries = 0; !res; tries++) {
      try {
        res = await fetch(back);
      } catch (e) {
        if (tries >= 100) throw e;
        await new Promise((done) => setTimeout(done, 100));
      }
    }
    await res.text();
    if (!res.ok) throw new Error(`the program answered ${res.status}`);
  }
}
