/** What a simulation of whole clusters needs of a name server: its wiring without its HTTP port, and the words of its gRPC port. */
export { type NameServerConfig, parseNameServerConfig } from "../config.ts";
export type { Incoming, Method, Outgoing, Serve, ServeOptions, Service } from "../grpc/service.ts";
export { type MemberWorld, type OpenMember, openMember } from "../open-member.ts";
