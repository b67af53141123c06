// How the structs of the protocol lie in memory and on the wire. message.c, which is generated, holds the tables.
#ifndef VZAGENT_SHAPE_H
#define VZAGENT_SHAPE_H

#include "postcard.h"

// A checked list, still encoded: `count` elements starting at `encoded`.
struct list {
  uint64_t count;
  struct slice encoded;
};

// Its elements, to be taken with the x_next functions of message.h.
static inline struct reader list_reader(struct list list) {
  // A list of nothing may stand nowhere, and to a null pointer nothing may be added.
  if (list.encoded.length == 0) return (struct reader){0};
  return (struct reader){.at = list.encoded.data, .end = list.encoded.data + list.encoded.length};
}

// A list that is being made, with the x_add functions of message.h. Begins as {0}; give its memory back with
// bytes_free.
struct list_maker {
  struct bytes encoded;
  uint64_t count;
};

// The list made so far. It points into the maker, and is good until the next element or the end of the maker.
static inline struct list list_made(const struct list_maker *maker) {
  struct slice encoded = {.data = maker->encoded.data, .length = bytes_length(&maker->encoded)};
  return (struct list){.count = maker->count, .encoded = encoded};
}

enum field_kind {
  FIELD_BOOL,
  FIELD_U8,
  FIELD_U16,
  FIELD_U32,
  FIELD_U53,
  FIELD_U64,
  FIELD_I32,
  FIELD_I64,
  FIELD_STRING,
  FIELD_BYTES,
  FIELD_ENUM,
  FIELD_STRUCT,
};

enum field_form { FIELD_ONE, FIELD_OPTIONAL, FIELD_LIST };

struct field {
  uint16_t offset;  // in its struct
  uint8_t form;     // an enum field_form
  uint8_t kind;     // an enum field_kind, of an element when it is a list
  uint8_t detail;   // of an enum the number of its variants, of a struct its shape
  uint8_t value;    // of an optional field the value's offset behind `present`
};

struct shape {
  uint16_t first;  // in `shape_fields`
  uint16_t count;
};

extern const struct field shape_fields[];
extern const struct shape shapes[];

enum { FOR_GUEST = 1, FOR_HOST = 2 };

struct message_kind {
  char name[20];  // empty where no message has the tag
  uint8_t direction;
  uint8_t shape;
};

extern const struct message_kind message_kinds[];  // by tag
extern const size_t message_kind_count;

// False when the input is too short or out of range; object and position are then meaningless.
bool shape_read(struct reader *in, uint8_t shape, void *object);

// False when memory is short or a value is out of range; some of it may be written then.
bool shape_write(struct bytes *out, uint8_t shape, const void *object);

// False at the end of the list.
bool element_next(struct reader *in, uint8_t shape, void *element);

// False like shape_write; nothing is added then.
bool element_add(struct list_maker *list, uint8_t shape, const void *element);

#endif
