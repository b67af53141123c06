// HMAC with SHA-256 (RFC 2104, FIPS 180-4).
#ifndef VZAGENT_SHA256_H
#define VZAGENT_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_SIZE = 32, SHA256_BLOCK = 64 };

// The key has at most SHA256_BLOCK bytes.
void hmac_sha256(const uint8_t *key, size_t key_length, const void *data, size_t length, uint8_t mac[SHA256_SIZE]);

#endif
