import { addSignature, elements, nextSignature } from './c-header.ts';
import type { CMember, CModel, CStruct } from './c-model.ts';

/** The tables that drive the C codec, as `message.c`. */
export function cTables(model: CModel): string {
  const { structs, messages } = model;
  const nameSize = Math.max(...messages.map(({ name }) => name.length)) + 1;
  if (nameSize > 32) throw new Error('struct message_kind in shape.h has room for names of 31 letters');
  let first = 1;
  const shapes = structs.map(({ shape, members }) => {
    const row = `    [${shape}] = {.first = ${first}, .count = ${members.length}},`;
    first += members.length;
    return row;
  });
  return `// Generated from the schema of @zlayer/vzagent-proto by its \`generate\` script: do not edit.
#include "message.h"

enum shape_name {
  SHAPE_NOTHING,
  SHAPE_DATA,
${structs.map(({ shape }) => `  ${shape},`).join('\n')}
};

#define ONE(type, member, kind, detail) {offsetof(type, member), FIELD_ONE, FIELD_##kind, detail, 0}
#define LIST(type, member, kind, detail) {offsetof(type, member), FIELD_LIST, FIELD_##kind, detail, 0}
#define OPTIONAL(type, member, kind, detail) \\
  {offsetof(type, member), FIELD_OPTIONAL, FIELD_##kind, detail, offsetof(type, member.value) - offsetof(type, member)}

const struct field shape_fields[] = {
    {0, FIELD_ONE, FIELD_BYTES, 0, 0},
${structs.flatMap((struct) => struct.members.map((member) => fieldRow(struct, member))).join('\n')}
};

const struct shape shapes[] = {
    [SHAPE_NOTHING] = {.first = 0, .count = 0},
    [SHAPE_DATA] = {.first = 0, .count = 1},
${shapes.join('\n')}
};

const struct message_kind message_kinds[] = {
${messages
  .map(({ constant, name, direction, shape }) => `    [${constant}] = {"${name}", ${DIRECTIONS[direction]}, ${shape}},`)
  .join('\n')}
};

const size_t message_kind_count = sizeof message_kinds / sizeof message_kinds[0];

${elements(model, 'toGuest')
  .map((type) => `${nextSignature(type)} {\n  return element_next(in, ${shapeOf(model, type)}, element);\n}`)
  .join('\n\n')}

${elements(model, 'toHost')
  .map((type) => `${addSignature(type)} {\n  return element_add(list, ${shapeOf(model, type)}, element);\n}`)
  .join('\n\n')}
`;
}

const DIRECTIONS = { toGuest: 'FOR_GUEST', toHost: 'FOR_HOST', both: 'FOR_GUEST | FOR_HOST' };

function fieldRow({ type }: CStruct, { name, form, kind, detail }: CMember): string {
  return `    ${form}(${type}, ${name}, ${kind}, ${detail}),`;
}

function shapeOf({ structs }: CModel, type: string): string {
  return structs.find((struct) => struct.type === type)?.shape ?? '';
}
