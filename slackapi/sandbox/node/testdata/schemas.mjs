// Makes JSON Schemas of the response types of @slack/web-api: node schemas.mjs <out> <type>…
// Types that the package does not have are left out.
import { existsSync, writeFileSync } from 'node:fs';
import { createGenerator } from 'ts-json-schema-generator';

const [out, ...types] = process.argv.slice(2);
const dir = 'node_modules/@slack/web-api/dist/types/response/';
const generator = createGenerator({ path: `${dir}index.d.ts`, skipTypeCheck: true, tsconfig: 'tsconfig.json', additionalProperties: true });
const schemas = {};
for (const type of types) {
  if (existsSync(`${dir}${type}.d.ts`)) schemas[type] = generator.createSchema(type);
}
writeFileSync(out, JSON.stringify(schemas));
