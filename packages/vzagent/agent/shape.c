#include "shape.h"

#include "message.h"

#include <string.h>

#define LARGEST_U53 ((UINT64_C(1) << 53) - 1)

// Fields are reached by offset: copied, so that neither alignment nor the type of an enum matters.
static void store_integer(void *at, uint64_t value, size_t size) {
  uint8_t u8 = (uint8_t)value;
  uint16_t u16 = (uint16_t)value;
  uint32_t u32 = (uint32_t)value;
  memcpy(at, size == 1 ? (void *)&u8 : size == 2 ? (void *)&u16 : size == 4 ? (void *)&u32 : (void *)&value, size);
}

static uint64_t load_integer(const void *at, size_t size) {
  uint8_t u8;
  uint16_t u16;
  uint32_t u32;
  uint64_t u64;
  if (size == 1) return memcpy(&u8, at, size), u8;
  if (size == 2) return memcpy(&u16, at, size), u16;
  if (size == 4) return memcpy(&u32, at, size), u32;
  return memcpy(&u64, at, size), u64;
}

static size_t integer_size(uint8_t kind) {
  switch (kind) {
    case FIELD_BOOL:
    case FIELD_U8: return 1;
    case FIELD_U16: return 2;
    case FIELD_U32:
    case FIELD_I32:
    case FIELD_ENUM: return 4;
    default: return 8;
  }
}

_Static_assert(sizeof(bool) == 1, "a bool is stored as a byte");
_Static_assert(sizeof(enum tag) == 4, "an enum is stored as 32 bits");

static bool read_value(struct reader *in, const struct field *field, void *at) {
  size_t size = integer_size(field->kind);
  uint64_t value;
  int64_t number;
  uint8_t byte;
  bool truth;
  switch (field->kind) {
    case FIELD_STRING: return read_string(in, at);
    case FIELD_BYTES: return read_slice(in, at);
    case FIELD_STRUCT: return shape_read(in, field->detail, at);
    case FIELD_BOOL:
      if (!read_bool(in, &truth)) return false;
      value = truth;
      break;
    case FIELD_U8:
      if (!read_u8(in, &byte)) return false;
      value = byte;
      break;
    case FIELD_I32:
    case FIELD_I64:
      if (!read_zigzag(in, (unsigned)size * 8, &number)) return false;
      value = (uint64_t)number;
      break;
    default:
      if (!read_varint(in, (unsigned)size * 8, &value)) return false;
      if (field->kind == FIELD_U53 && value > LARGEST_U53) return false;
      if (field->kind == FIELD_ENUM && value >= field->detail) return false;
  }
  store_integer(at, value, size);
  return true;
}

// Every element takes at least one byte, so a count that lies ends with the input.
static bool read_list(struct reader *in, const struct field *field, struct list *list) {
  union any_element ignored;
  if (!read_varint(in, 64, &list->count)) return false;
  list->encoded.data = in->at;
  for (uint64_t i = 0; i < list->count; i++) {
    if (!read_value(in, field, &ignored)) return false;
  }
  list->encoded.length = (size_t)(in->at - list->encoded.data);
  return true;
}

bool shape_read(struct reader *in, uint8_t shape, void *object) {
  const struct field *field = &shape_fields[shapes[shape].first];
  const struct field *end = field + shapes[shape].count;
  for (; field < end; field++) {
    uint8_t *at = (uint8_t *)object + field->offset;
    if (field->form == FIELD_LIST) {
      if (!read_list(in, field, (struct list *)(void *)at)) return false;
      continue;
    }
    if (field->form == FIELD_OPTIONAL) {
      bool present;
      if (!read_bool(in, &present)) return false;
      memcpy(at, &present, sizeof present);
      if (!present) continue;
      at += field->value;
    }
    if (!read_value(in, field, at)) return false;
  }
  return true;
}

static bool write_value(struct bytes *out, const struct field *field, const void *at) {
  if (field->kind == FIELD_STRING) return write_string(out, *(const struct slice *)at);
  if (field->kind == FIELD_BYTES) return write_slice(out, *(const struct slice *)at);
  if (field->kind == FIELD_STRUCT) return shape_write(out, field->detail, at);
  uint64_t value = load_integer(at, integer_size(field->kind));
  switch (field->kind) {
    case FIELD_BOOL:
    case FIELD_U8: return write_u8(out, (uint8_t)value);
    case FIELD_I32: return write_zigzag(out, (int32_t)(uint32_t)value);
    case FIELD_I64: return write_zigzag(out, (int64_t)value);
    case FIELD_U53: return value <= LARGEST_U53 && write_varint(out, value);
    case FIELD_ENUM: return value < field->detail && write_varint(out, value);
    default: return write_varint(out, value);
  }
}

bool shape_write(struct bytes *out, uint8_t shape, const void *object) {
  const struct field *field = &shape_fields[shapes[shape].first];
  const struct field *end = field + shapes[shape].count;
  for (; field < end; field++) {
    const uint8_t *at = (const uint8_t *)object + field->offset;
    if (field->form == FIELD_LIST) {
      const struct list *list = (const struct list *)(const void *)at;
      if (!write_varint(out, list->count) || !bytes_append(out, list->encoded.data, list->encoded.length)) return false;
      continue;
    }
    if (field->form == FIELD_OPTIONAL) {
      if (!write_u8(out, *at)) return false;
      if (*at == 0) continue;
      at += field->value;
    }
    if (!write_value(out, field, at)) return false;
  }
  return true;
}

bool element_next(struct reader *in, uint8_t shape, void *element) {
  return in->at != in->end && shape_read(in, shape, element);
}

bool element_add(struct list_maker *list, uint8_t shape, const void *element) {
  size_t before = bytes_length(&list->encoded);
  if (shape_write(&list->encoded, shape, element)) {
    list->count++;
    return true;
  }
  list->encoded.end = list->encoded.start + before;
  return false;
}

bool string_next(struct reader *in, struct slice *string) { return in->at != in->end && read_string(in, string); }

bool string_add(struct list_maker *list, struct slice string) {
  size_t before = bytes_length(&list->encoded);
  if (write_string(&list->encoded, string)) {
    list->count++;
    return true;
  }
  list->encoded.end = list->encoded.start + before;
  return false;
}
