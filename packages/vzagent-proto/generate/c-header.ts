import type { CMember, CModel, CStruct } from './c-model.ts';

/** The declarations of every message, as `message.h`. */
export function cHeader(model: CModel): string {
  const { enums, optionals, structs, messages } = model;
  const isMade = (type: string): boolean => structs.some((struct) => struct.type === type);
  const early = optionals.filter(({ valueType }) => !isMade(valueType));
  const late = new Map(optionals.filter((optional) => !early.includes(optional)).map((it) => [it.valueType, it]));
  const union = new Map(messages.flatMap(({ member }) => (member === undefined ? [] : [[member.name, member]])));
  return `// Generated from the schema of @zlayer/vzagent-proto by its \`generate\` script: do not edit.
//
// The messages of the wire protocol. A decoded message points into the bytes it was decoded from. A list stays encoded,
// but is checked; its elements are had one after the other:
//
//   struct reader in = list_reader(message.start.mounts);
//   for (struct mount_point mount; mount_point_next(&in, &mount);) ...
//
// A list to be sent is made element by element:
//
//   struct list_maker processes = {0};
//   process_entry_add(&processes, &entry);
//   struct message message = {.tag = TAG_PROCESSES, .processes.processes = list_made(&processes)};
//   ... and bytes_free(&processes.encoded) when it is encoded.
#ifndef VZAGENT_MESSAGE_H
#define VZAGENT_MESSAGE_H

#include "shape.h"

enum tag {
${messages.map(({ constant, tag }) => `  ${constant} = ${tag},`).join('\n')}
};

${enums.map(({ type, constants }) => `${type} {\n${constants.map((name) => `  ${name},`).join('\n')}\n};`).join('\n\n')}

${early.map(optionalText).join('\n\n')}

${structs.map((struct) => structText(struct, late.get(struct.type))).join('\n\n')}

struct message {
  uint8_t tag;  // an enum tag: it says which member holds the fields
  union {
    struct slice data;  // ${dataMessages(model).join(', ')}
${[...union.values()]
  .filter(({ name }) => name !== 'data')
  .map(({ type, name }) => `    ${type} ${name};`)
  .join('\n')}
  };
};

// Any element of a list: how much room one can take.
union any_element {
  struct slice string;
${structs
  .filter(({ listed }) => listed.size > 0)
  .map(({ type }) => `  ${type} ${bareName(type)};`)
  .join('\n')}
};

// Decodes the part of a frame behind its length: tag and payload. Null when it worked, or what is wrong with it.
const char *message_decode(const uint8_t *body, size_t length, struct message *message);

// Appends the whole frame. Bytes of a string that are not UTF-8 become question marks. False when memory is short, when
// the frame would be too large, or a number or enum is out of range; nothing is appended then.
bool message_encode(struct bytes *out, const struct message *message);

// The same for a message whose last field are bytes that follow elsewhere, so that they need not be copied: it is empty
// in \`message\`, and \`data_length\` is how many there are, less than 16 MiB with all the rest.
bool message_encode_head(struct bytes *out, const struct message *message, size_t data_length);

// The protocol's name of a tag, or null for an unknown one.
const char *message_name(uint8_t tag);

// Whether a host may send it to an agent: look before decoding.
bool message_is_for_guest(uint8_t tag);

// The next element of a list from the host; false at its end.
bool string_next(struct reader *in, struct slice *string);
${elements(model, 'toGuest')
  .map((type) => `${nextSignature(type)};`)
  .join('\n')}

// Adds an element to a list for the host; false when memory is short, or a number or enum is out of range.
bool string_add(struct list_maker *list, struct slice string);
${elements(model, 'toHost')
  .map((type) => `${addSignature(type)};`)
  .join('\n')}

#endif
`;
}

/** The structs that are elements of lists of messages that travel so. */
export function elements({ structs }: CModel, direction: 'toGuest' | 'toHost'): string[] {
  return structs.filter(({ listed }) => listed.has(direction) || listed.has('both')).map(({ type }) => type);
}

export function nextSignature(type: string): string {
  return `bool ${bareName(type)}_next(struct reader *in, ${type} *element)`;
}

export function addSignature(type: string): string {
  return `bool ${bareName(type)}_add(struct list_maker *list, const ${type} *element)`;
}

function bareName(type: string): string {
  return type.replace('struct ', '');
}

function dataMessages({ messages }: CModel): string[] {
  return messages.filter(({ shape }) => shape === 'SHAPE_DATA').map(({ name }) => name);
}

function structText({ type, members }: CStruct, optional: CModel['optionals'][number] | undefined): string {
  const text = `${type} {\n${members.map(memberText).join('\n')}\n};`;
  return optional === undefined ? text : `${text}\n\n${optionalText(optional)}`;
}

function memberText({ type, name, comment }: CMember): string {
  return `  ${type} ${name};${comment === '' ? '' : `  // ${comment}`}`;
}

function optionalText({ type, valueType }: CModel['optionals'][number]): string {
  return `${type} {\n  bool present;\n  ${valueType} value;\n};`;
}
