/**
 * Terms of one generation. A group begins a new one when an operator forces a configuration on it without its majority: those who were written off can
 * never again be elected, or obeyed, by those who go on, whatever they still hold.
 */
const generationTerms = 2 ** 40;

/** Generations whose terms are all below 2^53. */
export const generationMax = 2 ** 13 - 1;

/** Every group begins in generation 0. */
export function generationOf(term: number): number {
  return Math.floor(term / generationTerms);
}

export function firstTermOf(generation: number): number {
  return generation * generationTerms;
}
