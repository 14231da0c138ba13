/** Where the operator is installed. Its calls are audited. */
export const operatorNamespace = "saturnmq-system";
