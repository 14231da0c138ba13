import { assert } from "@saturnmq/kit";
import type { Method, Service } from "../service.ts";
import { type Failure, grpcStatus } from "./status.ts";

/** A method at its path. */
export type Route = {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly method: Method;
  /** Its calls are counted by the transport. */
  readonly isObserved: boolean;
};

/** The methods of all services by their path. */
export class Routes {
  readonly #byPath = new Map<string, Route>();
  readonly #services = new Set<string>();

  /** @throws {InvariantError} when two services offer the same */
  constructor(services: readonly Service[]) {
    for (const { name, methods, countsCalls = false } of services) {
      this.#services.add(name);
      for (const [methodName, method] of methods) {
        const path = `/${name}/${methodName}`;
        assert(!this.#byPath.has(path), `two services offer ${path}`);
        this.#byPath.set(path, { path, method, isObserved: !countsCalls });
      }
    }
  }

  find(path: string): Route | undefined {
    return this.#byPath.get(path);
  }

  /** What to say of a path that leads nowhere. */
  notFound(path: string): Failure {
    const slash = path.lastIndexOf("/");
    const service = path.slice(1, Math.max(1, slash));
    const known = this.#services.has(service);
    const method = path.slice(slash + 1);
    const message = known ? `the service ${service} has no method ${method}` : `there is no service ${service}`;
    return { code: grpcStatus.unimplemented, message };
  }
}
