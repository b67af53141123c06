/** Bounds of a spec. What is larger is refused before it is looked at; no honest spec comes near. */

/** Items of a list, and entries of an object. */
export const MAX_ITEMS = 4096;
/** Characters of a text. Linux takes no argument and no variable that is longer. */
export const MAX_TEXT = 128 * 1024;
/** Problems that one error lists. */
export const MAX_PROBLEMS = 50;
