// Something to search.
/** @param {number} depth @param {number} width */
export const validationAccuracy = async (depth, width) => (depth + width) / 5;
