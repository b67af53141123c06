// Checks the codec under sanitizers. Frames in hex come on stdin, one a line. Ends with code 1 and a reason when something
// is wrong.
//
//   codec check COUNT   wants well-formed frames; damages them, and tries COUNT mutations; prints the messages' names
//   codec verdicts      prints for each frame, which may be malformed, the frame made of what was decoded, or "refused"
#include "../frame.h"
#include "../message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FRAMES = 1024, MOST_LISTS = 64 * 1024, RANDOM_TAGS = 80 };

static struct bytes seeds[MOST_FRAMES];
static size_t seed_count;

static uint64_t random_state = 0x9e3779b97f4a7c15;

// xorshift64*: the same inputs on every run.
static uint64_t random_number(void) {
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return random_state * UINT64_C(2685821657736338717);
}

static void check(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "failed: %s\n", what);
  exit(1);
}

// Decodes from memory of exactly the input's size, so that a read beyond it is seen. Returns whether it was accepted.
static int try_body(const uint8_t *body, size_t length) {
  uint8_t *exact = malloc(length == 0 ? 1 : length);
  check(exact != NULL, "memory");
  memcpy(exact, body, length);
  struct message message;
  int accepted = message_decode(length == 0 ? exact + 1 : exact, length, &message) == NULL;
  if (accepted) {
    struct bytes first = {0}, second = {0};
    struct message again;
    check(message_encode(&first, &message), "what was decoded can be encoded");
    size_t inner;
    check(frame_peek(&first, &inner) == FRAME_COMPLETE, "an encoded frame is complete");
    check(inner + FRAME_HEADER == bytes_length(&first), "an encoded frame has nothing behind it");
    check(message_decode(bytes_head(&first) + FRAME_HEADER, inner, &again) == NULL, "what was encoded can be decoded");
    check(message_encode(&second, &again), "and encoded again");
    check(bytes_length(&first) == bytes_length(&second), "to the same length");
    check(memcmp(bytes_head(&first), bytes_head(&second), bytes_length(&first)) == 0, "to the same bytes");
    bytes_free(&first);
    bytes_free(&second);
  }
  free(exact);
  return accepted;
}

// Lets a frame arrive in random pieces; it must become complete with its last byte and not before.
static void try_pieces(const struct bytes *frame) {
  struct bytes stream = {0};
  size_t length = bytes_length(frame), at = 0, inner;
  while (at < length) {
    check(frame_peek(&stream, &inner) == FRAME_PARTIAL, "a frame is incomplete before its end");
    size_t piece = 1 + random_number() % (length - at);
    check(bytes_append(&stream, bytes_head(frame) + at, piece), "memory");
    at += piece;
  }
  check(frame_peek(&stream, &inner) == FRAME_COMPLETE && inner + FRAME_HEADER == length,
        "a frame is complete at its end");
  bytes_consume(&stream, length);
  check(bytes_length(&stream) == 0, "nothing is left");
  bytes_free(&stream);
}

static void check_seed(const struct bytes *frame) {
  size_t inner;
  struct message message;
  struct bytes encoded = {0};
  check(frame_peek(frame, &inner) == FRAME_COMPLETE && inner + FRAME_HEADER == bytes_length(frame), "one whole frame");
  const char *fault = message_decode(bytes_head(frame) + FRAME_HEADER, inner, &message);
  check(fault == NULL, fault == NULL ? "" : fault);
  check(message_encode(&encoded, &message), "memory");
  check(bytes_length(&encoded) == bytes_length(frame) &&
            memcmp(bytes_head(&encoded), bytes_head(frame), bytes_length(frame)) == 0,
        "a frame is encoded to the bytes it was decoded from");
  printf("%s\n", message_name(message.tag));
  bytes_free(&encoded);
  try_pieces(frame);
}

static void truncate_and_flip(const struct bytes *frame) {
  const uint8_t *body = bytes_head(frame) + FRAME_HEADER;
  size_t length = bytes_length(frame) - FRAME_HEADER;
  for (size_t shorter = 0; shorter < length; shorter++) check(!try_body(body, shorter), "a truncated frame is refused");
  uint8_t *flipped = malloc(length + 1);
  check(flipped != NULL, "memory");
  memcpy(flipped, body, length);
  flipped[length] = 0;
  check(!try_body(flipped, length + 1), "a byte left over is refused");
  for (size_t bit = 0; bit < length * 8; bit++) {
    flipped[bit / 8] ^= (uint8_t)(1 << bit % 8);
    try_body(flipped, length);
    flipped[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  free(flipped);
}

// Changes, inserts and removes bytes, with a liking for the values at which encodings turn.
static size_t mutate(uint8_t *body, size_t length, size_t capacity) {
  static const uint8_t turns[] = {0, 1, 2, 0x7f, 0x80, 0x81, 0xc0, 0xe0, 0xed, 0xf4, 0xff};
  for (uint64_t changes = 1 + random_number() % 6; changes > 0; changes--) {
    size_t at = length == 0 ? 0 : random_number() % length;
    uint64_t kind = random_number() % 4;
    uint8_t value = random_number() % 2 == 0 ? turns[random_number() % sizeof turns] : (uint8_t)random_number();
    if (kind < 2 && length > 0) {
      body[at] = value;
    } else if (kind == 2 && length < capacity) {
      memmove(body + at + 1, body + at, length - at);
      body[at] = value;
      length++;
    } else if (length > 0) {
      memmove(body + at, body + at + 1, length - at - 1);
      length--;
    }
  }
  return length;
}

static void fuzz(unsigned long count) {
  unsigned long accepted = 0;
  uint8_t body[4096];
  for (unsigned long i = 0; i < count; i++) {
    const struct bytes *seed = &seeds[random_number() % seed_count];
    size_t length = bytes_length(seed) - FRAME_HEADER;
    if (length > sizeof body / 2) length = sizeof body / 2;
    memcpy(body, bytes_head(seed) + FRAME_HEADER, length);
    length = mutate(body, length, sizeof body);
    if (i % 4 == 0 && length > 1) body[0] = (uint8_t)(random_number() % RANDOM_TAGS);
    accepted += (unsigned long)try_body(body, length);
  }
  printf("mutations: %lu, accepted: %lu\n", count, accepted);
  check(accepted > 0 && accepted < count, "mutations are not all alike");
}

static void check_headers(void) {
  static const struct {
    uint8_t header[4];
    enum frame_state state;
  } cases[] = {
      {{0, 0, 0, 0}, FRAME_EMPTY},          {{0, 0, 0, 1}, FRAME_PARTIAL},
      {{1, 0, 0, 1}, FRAME_TOO_LARGE},      {{0xff, 0xff, 0xff, 0xff}, FRAME_TOO_LARGE},
      {{0, 0, 0, 0x80}, FRAME_TOO_LARGE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct bytes bytes = {0};
    size_t inner;
    check(bytes_append(&bytes, cases[i].header, sizeof cases[i].header), "memory");
    check(frame_peek(&bytes, &inner) == cases[i].state, "a length field means what the protocol says");
    check(bytes.capacity < 4096, "a claimed length allocates nothing");
    bytes_free(&bytes);
  }
}

static struct list_maker makers[MOST_LISTS];
static size_t maker_count;

static struct list rebuilt(const struct field *field, struct list list);

// Replaces every list of a decoded object, and of what it is made of, by one made anew of its decoded elements.
static void rebuild_lists(uint8_t shape, void *object) {
  for (unsigned i = 0; i < shapes[shape].count; i++) {
    const struct field *field = &shape_fields[shapes[shape].first + i];
    uint8_t *at = (uint8_t *)object + field->offset;
    if (field->form == FIELD_LIST) {
      struct list list;
      memcpy(&list, at, sizeof list);
      list = rebuilt(field, list);
      memcpy(at, &list, sizeof list);
    } else if (field->kind == FIELD_STRUCT) {
      rebuild_lists(field->detail, at + (field->form == FIELD_OPTIONAL ? field->value : 0));
    }
  }
}

static struct list rebuilt(const struct field *field, struct list list) {
  check(maker_count < MOST_LISTS, "room for lists");
  struct list_maker *maker = &makers[maker_count++];
  struct reader in = list_reader(list);
  union any_element element;
  if (field->kind == FIELD_STRING) {
    while (string_next(&in, &element.string)) check(string_add(maker, element.string), "a string can be added");
  } else {
    while (element_next(&in, field->detail, &element)) {
      rebuild_lists(field->detail, &element);
      check(element_add(maker, field->detail, &element), "an element can be added");
    }
  }
  check(in.at == in.end && maker->count == list.count, "a list has as many elements as it says");
  return list_made(maker);
}

static void print_verdict(const struct bytes *frame) {
  size_t inner;
  struct message message;
  struct bytes encoded = {0};
  if (frame_peek(frame, &inner) != FRAME_COMPLETE || inner + FRAME_HEADER != bytes_length(frame) ||
      message_decode(bytes_head(frame) + FRAME_HEADER, inner, &message) != NULL) {
    puts("refused");
    return;
  }
  rebuild_lists(message_kinds[message.tag].shape, &message.data);
  check(message_encode(&encoded, &message), "what was decoded can be encoded");
  for (size_t i = 0; i < bytes_length(&encoded); i++) printf("%02x", bytes_head(&encoded)[i]);
  puts("");
  bytes_free(&encoded);
  while (maker_count > 0) {
    bytes_free(&makers[--maker_count].encoded);
    makers[maker_count] = (struct list_maker){0};
  }
}

static void check_refused(struct message message, const char *what) {
  struct bytes out = {0};
  check(bytes_append(&out, "x", 1), "memory");
  check(!message_encode(&out, &message), what);
  check(bytes_length(&out) == 1, "nothing of a refused message is appended");
  bytes_free(&out);
}

// What the agent must never send, because the host would refuse it.
static void check_encoder(void) {
  check_refused((struct message){.tag = 0}, "no message has tag 0");
  check_refused((struct message){.tag = TAG_RUN + 14}, "no message has tag 15");
  check_refused((struct message){.tag = 255}, "no message has tag 255");
  check_refused((struct message){.tag = TAG_FAILED, .failed.kind = FAILURE_KIND_INTERNAL + 1}, "a variant exists");
  check_refused((struct message){.tag = TAG_WAIT, .wait.process = UINT64_C(1) << 53}, "a u53 has 53 bits");
  static uint8_t zeros[FRAME_LARGEST];
  struct slice all = {.data = zeros, .length = sizeof zeros};
  check_refused((struct message){.tag = TAG_STDOUT, .data = all}, "a frame has at most 16 MiB");

  static const struct {
    const char *text, *sent;
  } texts[] = {
      {"plain", "plain"},         {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
      {"\x80", "?"},              {"a\xc3", "a?"},
      {"\xc0\x80", "??"},         {"\xed\xa0\x80", "???"},
      {"\xff\xf0\x9f\x98\x80", "?\xf0\x9f\x98\x80"}, {"", ""},
  };
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    struct slice text = {.data = (const uint8_t *)texts[i].text, .length = strlen(texts[i].text)};
    struct message message = {.tag = TAG_FAILED, .failed.message = text}, again;
    struct bytes out = {0};
    check(message_encode(&out, &message), "any text can be sent");
    const uint8_t *body = bytes_head(&out) + FRAME_HEADER;
    check(message_decode(body, bytes_length(&out) - FRAME_HEADER, &again) == NULL, "any text that is sent is UTF-8");
    check(again.failed.message.length == strlen(texts[i].sent) &&
              memcmp(again.failed.message.data, texts[i].sent, again.failed.message.length) == 0,
          "what is not UTF-8 is sent as question marks");
    bytes_free(&out);
  }
}

// The bytes of the next line of hex; false at the end of the input.
static int read_frame(struct bytes *frame) {
  static char *line;
  static size_t room;
  if (getline(&line, &room, stdin) < 0) {
    free(line);
    return 0;
  }
  unsigned byte;
  for (char *at = line; sscanf(at, "%2x", &byte) == 1; at += 2) {
    check(bytes_append(frame, &(uint8_t){(uint8_t)byte}, 1), "memory");
  }
  return 1;
}

static int verdicts(void) {
  struct bytes frame = {0};
  for (; read_frame(&frame); bytes_free(&frame)) print_verdict(&frame);
  bytes_free(&frame);
  return 0;
}

int main(int count, char **arguments) {
  if (count > 1 && strcmp(arguments[1], "verdicts") == 0) return verdicts();
  check(count == 3 && strcmp(arguments[1], "check") == 0, "usage: codec check COUNT | codec verdicts");
  for (; seed_count < MOST_FRAMES && read_frame(&seeds[seed_count]); seed_count++) check_seed(&seeds[seed_count]);
  check(seed_count > 0, "there are frames on stdin");
  check_headers();
  check_encoder();
  for (size_t i = 0; i < seed_count; i++) truncate_and_flip(&seeds[i]);
  fuzz(strtoul(arguments[2], NULL, 10));
  for (size_t i = 0; i < seed_count; i++) bytes_free(&seeds[i]);
  return 0;
}
