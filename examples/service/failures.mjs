// @ts-check
/**
 * What goes wrong, as clients see it: a status and a code that stays the same, in the form of
 * Fastify's own errors.
 */
import { STATUS_CODES } from 'node:http';

/** An error that is answered with a status of its own. */
export class Failure extends Error {
  /**
   * @param {number} statusCode
   * @param {string} code what clients tell failures apart by
   * @param {string} message
   * @param {{ cause?: unknown, retryAfter?: number }} [options] seconds after which to try again
   */
  constructor(statusCode, code, message, { cause, retryAfter } = {}) {
    super(message, { cause });
    this.statusCode = statusCode;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/**
 * An error as it is answered. What is nobody's fault but ours keeps its message to the log.
 * @param {Error & { code?: string, statusCode?: number }} error
 * @returns {Failure}
 */
function failureOf(error) {
  if (error instanceof Failure) return error;
  const { code = '', statusCode, message } = error;
  if (code === 'ERR_TENON_FORMAT') return new Failure(400, 'BAD_IMAGE', message);
  if (code === 'ERR_TENON_MEMORY')
    return new Failure(503, 'NO_MEMORY', 'not enough memory now', { retryAfter: 5 });
  if (statusCode !== undefined && statusCode < 500)
    return new Failure(statusCode, code || 'BAD_REQUEST', message);
  return new Failure(500, 'INTERNAL', 'internal error');
}

/**
 * @param {Error} error
 * @param {import('fastify').FastifyRequest} request
 * @param {import('fastify').FastifyReply} reply
 */
export function answerFailure(error, request, reply) {
  const { statusCode, code, message, retryAfter } = failureOf(error);
  if (statusCode === 500) request.log.error(error);
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter);
  return reply.code(statusCode).send({ statusCode, code, error: STATUS_CODES[statusCode], message });
}
